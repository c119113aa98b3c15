// SPDX-License-Identifier: BSD-2-Clause
// Measures of the distance between two distributions, in double precision.
#include "offline/analysis/measures.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

namespace jsguard {
namespace {

struct Name {
    Measure measure;
    std::string_view words;
    std::string_view key;
    bool has_unit;
};
constexpr std::array names = {
    Name{Measure::js, "JS", "js", true},
    Name{Measure::kl, "KL", "kl", true},
    Name{Measure::reverse_kl, "reverse KL", "reverse_kl", true},
    Name{Measure::hellinger, "Hellinger", "hellinger", false},
    Name{Measure::total_variation, "total variation", "total_variation", false},
    Name{Measure::entropy_difference, "entropy difference", "entropy_difference", true},
};
static_assert(names.size() == measures);

const Name& name_of(Measure measure) {
    return *std::find_if(names.begin(), names.end(),
                         [&](const Name& name) { return name.measure == measure; });
}

// x log2(x/y). If x is 0, the limit 0. If only y is 0, infinity.
double term(double x, double y) {
    if (x == 0) return 0;
    return y == 0 ? std::numeric_limits<double>::infinity() : x * std::log2(x / y);
}

}  // namespace

std::string_view measure_name(Measure measure) { return name_of(measure).words; }
std::string_view measure_key(Measure measure) { return name_of(measure).key; }
bool has_unit(Measure measure) { return name_of(measure).has_unit; }

std::string_view unit_name(LogarithmUnit unit) {
    return unit == LogarithmUnit::nats ? "nats" : "bits";
}

ProbabilityVector probability_vector(std::span<const std::uint32_t> counts) {
    const std::uint64_t total = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
    if (total == 0) return {};
    ProbabilityVector shares(counts.size());
    std::transform(counts.begin(), counts.end(), shares.begin(), [&](std::uint32_t count) {
        return static_cast<double>(count) / static_cast<double>(total);
    });
    return shares;
}

double js_divergence(std::span<const double> p, std::span<const double> q) {
    double sum = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
        const double mean = (p[i] + q[i]) / 2;
        sum += term(p[i], mean) + term(q[i], mean);
    }
    return std::clamp(sum / 2, 0.0, 1.0);
}

double kl_divergence(std::span<const double> p, std::span<const double> q) {
    double sum = 0;
    for (std::size_t i = 0; i < p.size(); ++i) sum += term(p[i], q[i]);
    return std::max(sum, 0.0);
}

double hellinger_distance(std::span<const double> p, std::span<const double> q) {
    double sum = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
        const double difference = std::sqrt(p[i]) - std::sqrt(q[i]);
        sum += difference * difference;
    }
    return std::min(std::sqrt(sum / 2), 1.0);
}

double total_variation_distance(std::span<const double> p, std::span<const double> q) {
    double sum = 0;
    for (std::size_t i = 0; i < p.size(); ++i) sum += std::abs(p[i] - q[i]);
    return std::min(sum / 2, 1.0);
}

double entropy(std::span<const double> p) {
    double sum = 0;
    for (const double probability : p) sum -= term(probability, 1);
    return std::max(sum, 0.0);
}

MeasuredValues measure_all(std::span<const double> p, std::span<const double> q,
                           LogarithmUnit unit) {
    MeasuredValues values{};
    const auto set = [&](Measure measure, double value) {
        const bool convert = unit == LogarithmUnit::nats && has_unit(measure);
        values[static_cast<std::size_t>(measure)] = convert ? value * std::numbers::ln2 : value;
    };
    set(Measure::js, js_divergence(p, q));
    set(Measure::kl, kl_divergence(p, q));
    set(Measure::reverse_kl, kl_divergence(q, p));
    set(Measure::hellinger, hellinger_distance(p, q));
    set(Measure::total_variation, total_variation_distance(p, q));
    set(Measure::entropy_difference, std::abs(entropy(p) - entropy(q)));
    return values;
}

}  // namespace jsguard
