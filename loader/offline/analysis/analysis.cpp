// SPDX-License-Identifier: BSD-2-Clause
// Computes how well each measure of distance separates attack samples from normal samples.
#include "offline/analysis/analysis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <utility>

namespace jsguard {
namespace {

// Halfway between a value and the next larger one, so that samples on both sides have the same
// margin.
double halfway(double value, double next) {
    const double middle = value + (next - value) / 2;
    return middle < next ? middle : value;  // next may be infinite, or the adjacent double
}

// The share of the sorted values that are above the threshold.
double share_above(const std::vector<double>& sorted, double threshold) {
    const auto above = sorted.end() - std::upper_bound(sorted.begin(), sorted.end(), threshold);
    return static_cast<double>(above) / static_cast<double>(sorted.size());
}

Rates rates_at(const std::vector<double>& normal, const std::vector<double>& attack,
               double threshold) {
    return {share_above(attack, threshold), share_above(normal, threshold)};
}

// The threshold with the largest difference of detection rate and false-positive rate. Of equally
// good thresholds, the largest one.
double best_threshold(const std::vector<double>& normal, const std::vector<double>& attack) {
    std::vector<double> all;
    all.reserve(normal.size() + attack.size());
    std::merge(normal.begin(), normal.end(), attack.begin(), attack.end(), std::back_inserter(all));
    double best = all.back();
    // The difference of the rates, multiplied by both numbers of samples. Integers compare exactly.
    std::int64_t best_difference = 0;
    auto normal_above = normal.end();
    auto attack_above = attack.end();
    for (std::size_t i = all.size() - 1; i-- > 0;) {
        while (normal_above != normal.begin() && normal_above[-1] > all[i]) --normal_above;
        while (attack_above != attack.begin() && attack_above[-1] > all[i]) --attack_above;
        const std::int64_t difference = (attack.end() - attack_above) * std::ssize(normal) -
                                        (normal.end() - normal_above) * std::ssize(attack);
        if (difference <= best_difference || all[i] == all[i + 1]) continue;
        best_difference = difference;
        best = halfway(all[i], all[i + 1]);
    }
    return best;
}

// The share of pairs of a normal and an attack sample in which the attack sample is larger. A tie
// counts half, so the wins are counted in halves.
double auc_of(const std::vector<double>& normal, const std::vector<double>& attack) {
    std::uint64_t half_wins = 0;
    for (const double value : attack) {
        const auto [first, last] = std::equal_range(normal.begin(), normal.end(), value);
        half_wins += static_cast<std::uint64_t>(first - normal.begin()) +
                     static_cast<std::uint64_t>(last - normal.begin());
    }
    return static_cast<double>(half_wins) / 2 / static_cast<double>(normal.size()) /
           static_cast<double>(attack.size());
}

std::vector<double> values_of(const std::vector<MeasuredSample>& samples, std::size_t measure) {
    std::vector<double> values;
    values.reserve(samples.size());
    for (const MeasuredSample& sample : samples) values.push_back(sample.values[measure]);
    return values;
}

void summarize_class(MeasuredClass& group) {
    if (group.samples.empty()) return;
    for (std::size_t measure = 0; measure < measures; ++measure) {
        const std::vector<double> values = values_of(group.samples, measure);
        double sum = 0;
        for (const double value : values) sum += value;
        group.mean[measure] = sum / static_cast<double>(values.size());
        group.minimum[measure] = *std::min_element(values.begin(), values.end());
        group.maximum[measure] = *std::max_element(values.begin(), values.end());
    }
}

}  // namespace

Thresholds thresholds_of(const std::vector<double>& normal) {
    const auto count = static_cast<double>(normal.size());
    const double maximum = *std::max_element(normal.begin(), normal.end());
    if (!std::isfinite(maximum)) return {maximum, maximum};
    double sum = 0, squares = 0;
    for (const double value : normal) sum += value;
    const double mean = sum / count;
    for (const double value : normal) squares += (value - mean) * (value - mean);
    return {maximum + threshold_margin, mean + threshold_deviations * std::sqrt(squares / count)};
}

Separation separation_of(std::vector<double> normal, std::vector<double> attack,
                         const Thresholds& thresholds) {
    std::sort(normal.begin(), normal.end());
    std::sort(attack.begin(), attack.end());

    Separation found;
    found.at_maximum = rates_at(normal, attack, thresholds.maximum);
    found.at_deviation = rates_at(normal, attack, thresholds.deviation);
    found.best = best_threshold(normal, attack);
    found.at_best = rates_at(normal, attack, found.best);
    found.auc = auc_of(normal, attack);
    return found;
}

std::string sample_name(const Analysis& analysis, const MeasuredSample& sample) {
    const std::string& file = analysis.files.at(sample.file);
    return sample.port == 0 ? file : fmt::format("{} {} {}", file, sample.port, sample.sequence);
}

void summarize(Analysis& analysis) {
    for (MeasuredClass& group : analysis.classes) summarize_class(group);
    Separations together;
    bool any_attack = false;
    for (std::size_t measure = 0; measure < measures; ++measure) {
        const std::vector<double> normal = values_of(analysis.classes.front().samples, measure);
        const Thresholds& thresholds = analysis.thresholds[measure] = thresholds_of(normal);
        std::vector<double> attacks;
        for (std::size_t i = 1; i < analysis.classes.size(); ++i) {
            MeasuredClass& group = analysis.classes[i];
            if (group.samples.empty()) continue;
            const std::vector<double> attack = values_of(group.samples, measure);
            attacks.insert(attacks.end(), attack.begin(), attack.end());
            if (!group.separation) group.separation.emplace();
            (*group.separation)[measure] = separation_of(normal, attack, thresholds);
        }
        if (attacks.empty()) continue;
        any_attack = true;
        together[measure] = separation_of(normal, std::move(attacks), thresholds);
    }
    if (any_attack) analysis.separation = together;
}

}  // namespace jsguard
