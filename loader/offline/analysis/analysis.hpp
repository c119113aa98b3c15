// SPDX-License-Identifier: BSD-2-Clause
// How well each measure of distance tells samples of attacks from normal ones.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "offline/analysis/measures.hpp"

namespace jsguard {

// One sample: a window of a recording, or an older probability file. Long recordings have very
// many, so each has numbers for its name.
struct MeasuredSample {
    std::uint32_t file = 0;  // of Analysis::files
    std::uint32_t port = 0;  // 0: a probability file, which has no port and no sequence
    std::uint64_t sequence = 0;
    MeasuredValues values{};
};

// Shares, 0 to 1, of the samples that are over a threshold.
struct Rates {
    double detection = 0;       // of the attack samples
    double false_positive = 0;  // of the normal ones
};

// What the normal samples alone suggest; infinite if one of them is infinitely far.
struct Thresholds {
    double maximum = 0;    // their maximum + threshold_margin
    double deviation = 0;  // their mean + threshold_deviations of the population's
};
constexpr double threshold_margin = 0.05;  // in the unit of the values
constexpr double threshold_deviations = 3;

// How one measure tells attack samples from the normal ones; a sample is detected if it is over the
// threshold.
struct Separation {
    Rates at_maximum;    // Thresholds.maximum
    Rates at_deviation;  // Thresholds.deviation
    double best = 0;     // the threshold of largest detection less false-positive rate
    Rates at_best;
    double auc = 0;  // area under the receiver operating characteristic; 0.5: tells nothing
};
using Separations = std::array<Separation, measures>;  // by Measure

struct MeasuredClass {
    std::string name;  // "normal", or the name of an attack
    std::vector<MeasuredSample> samples;
    MeasuredValues mean{}, minimum{}, maximum{};  // of samples; 0 if there are none
    std::optional<Separations> separation;  // of this attack alone; none if normal, or no samples
};

// The analysis of one distribution ("transitions", "occupancy").
struct Analysis {
    std::string distribution;
    LogarithmUnit unit = LogarithmUnit::bits;  // of the values and thresholds that have one
    std::vector<std::string> files;            // their names, by MeasuredSample::file
    std::vector<MeasuredClass> classes;        // normal first
    std::array<Thresholds, measures> thresholds{};
    std::optional<Separations> separation;  // of all attacks; none without attack samples
    std::size_t empty_samples = 0;          // that have no distribution and were left out
};

// "normal.jsonl 8080 61": file, port and sequence; or the file alone.
std::string sample_name(const Analysis& analysis, const MeasuredSample& sample);

// Computes all but the samples from them. classes: normal first, and it has samples.
void summarize(Analysis& analysis);

// The same of one measure: values in any order, none of them NaN, normal not empty.
Thresholds thresholds_of(const std::vector<double>& normal);
// attack is not empty either. The best threshold lies halfway between two neighbouring values; of
// equally good ones it is the largest (Youden 1950, Cancer 3(1)). The AUC is the probability that
// an attack sample is over a normal one, a tie counting half (Hanley and McNeil 1982, Radiology
// 143(1)).
Separation separation_of(std::vector<double> normal, std::vector<double> attack,
                         const Thresholds& thresholds);

}  // namespace jsguard
