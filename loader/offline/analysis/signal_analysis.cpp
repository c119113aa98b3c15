// SPDX-License-Identifier: BSD-2-Clause
// The analysis of one signal: the mean of the normal windows, then the distance of each window from
// it.
#include "offline/analysis/signal_analysis.hpp"

#include <algorithm>
#include <functional>
#include <span>
#include <utility>

#include "common/cells.hpp"
#include "common/error.hpp"

namespace jsguard {
namespace {

ProbabilityVector distribution_of(const RecordedWindow& window, jsg_signal signal) {
    if (signal == JSG_TRANSITIONS) return probability_vector(window.transitions);
    return probability_vector(std::span(window.occupancy).first<JSG_JUDGED_CELLS>());
}

}  // namespace

void MeanDistribution::add(const ProbabilityVector& vector) {
    sum_.resize(vector.size());
    std::transform(vector.begin(), vector.end(), sum_.begin(), sum_.begin(), std::plus<>());
    ++vectors_;
}

ProbabilityVector MeanDistribution::mean() const {
    ProbabilityVector mean = sum_;
    for (double& probability : mean) probability /= static_cast<double>(vectors_);
    return mean;
}

SignalAnalysis::SignalAnalysis(jsg_signal signal, const std::vector<std::string>& classes,
                               std::vector<std::string> files, LogarithmUnit unit)
    : signal_(signal) {
    analysis_.files = std::move(files);
    analysis_.distribution = signal_name(signal);
    analysis_.unit = unit;
    for (const std::string& name : classes) analysis_.classes.emplace_back().name = name;
}

void SignalAnalysis::learn(const RecordedWindow& window) {
    const ProbabilityVector sample = distribution_of(window, signal_);
    if (!sample.empty()) mean_.add(sample);
}

void SignalAnalysis::measure(std::size_t class_index, std::size_t file,
                             const RecordedWindow& window) {
    const ProbabilityVector sample = distribution_of(window, signal_);
    if (sample.empty()) {
        ++analysis_.empty_samples;
        return;
    }
    analysis_.classes[class_index].samples.push_back(
        {static_cast<std::uint32_t>(file), window.record.port, window.record.sequence,
         measure_all(sample, reference_, analysis_.unit)});
}

Analysis SignalAnalysis::take() {
    if (analysis_.classes.front().samples.empty())
        throw Error(ExitCode::usage,
                    "a recording was replaced while it was read; give one that does not change");
    summarize(analysis_);
    return std::move(analysis_);
}

}  // namespace jsguard
