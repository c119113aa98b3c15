// SPDX-License-Identifier: BSD-2-Clause
// How well each measure of distance separates attack samples from normal samples.
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

// One sample: a window of a recording, or a probability file. A long recording has very many, so a
// sample has numbers instead of a name; see sample_name().
struct MeasuredSample {
    std::uint32_t file = 0;  // index in Analysis::files
    std::uint32_t port = 0;  // 0: a probability file, which has no port and no sequence
    std::uint64_t sequence = 0;
    MeasuredValues values{};
};

// The shares, 0 to 1, of the samples that are above a threshold.
struct Rates {
    double detection = 0;       // of the attack samples
    double false_positive = 0;  // of the normal samples
};

// Thresholds that follow from the normal samples. Infinite if a normal sample has an infinite
// value.
struct Thresholds {
    double maximum = 0;    // maximum + threshold_margin
    double deviation = 0;  // mean + threshold_deviations * standard deviation of the population
};
constexpr double threshold_margin = 0.05;  // in the unit of the values
constexpr double threshold_deviations = 3;

// How well one measure separates attack samples from normal samples. A sample is detected if it is
// above the threshold.
struct Separation {
    Rates at_maximum;    // at Thresholds.maximum
    Rates at_deviation;  // at Thresholds.deviation
    double best = 0;     // threshold with the largest detection rate minus false-positive rate
    Rates at_best;
    double auc = 0;  // area under the receiver operating characteristic; 0.5: no separation
};
using Separations = std::array<Separation, measures>;  // index: Measure

struct MeasuredClass {
    std::string name;  // "normal", or the name of an attack
    std::vector<MeasuredSample> samples;
    MeasuredValues mean{}, minimum{}, maximum{};  // of the samples; 0 if there are none
    std::optional<Separations> separation;  // of this attack; none if normal, or without samples
};

// The analysis of one distribution ("transitions", "occupancy").
struct Analysis {
    std::string distribution;
    LogarithmUnit unit = LogarithmUnit::bits;  // of values and thresholds that have a unit
    std::vector<std::string> files;            // names; index: MeasuredSample::file
    std::vector<MeasuredClass> classes;        // normal first
    std::array<Thresholds, measures> thresholds{};
    std::optional<Separations> separation;  // all attacks together; none without attack samples
    std::size_t empty_samples = 0;          // samples without a distribution, which were left out
};

// "normal.jsonl 8080 61": file, port and sequence number. For a probability file, only the file.
std::string sample_name(const Analysis& analysis, const MeasuredSample& sample);

// Fills in all results from the samples. The first class must be normal, and must have samples.
void summarize(Analysis& analysis);

// The thresholds of one measure. normal: not empty, in any order, without NaN.
Thresholds thresholds_of(const std::vector<double>& normal);
// The separation of one measure. attack: not empty, in any order, without NaN. The best threshold
// lies halfway between two neighbouring values. Of equally good thresholds it is the largest
// (Youden 1950, Cancer 3(1)). The AUC is the probability that an attack sample is larger than a
// normal one. A tie counts half (Hanley and McNeil 1982, Radiology 143(1)).
Separation separation_of(std::vector<double> normal, std::vector<double> attack,
                         const Thresholds& thresholds);

}  // namespace jsguard
