// SPDX-License-Identifier: BSD-2-Clause
// The analysis of one signal: the mean of the normal windows, then the distance of each window from
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "offline/analysis/analysis.hpp"
#include "offline/recording/recording.hpp"

namespace jsguard {

// The mean of vectors of the same length.
class MeanDistribution {
  public:
    void add(const ProbabilityVector& vector);
    bool empty() const { return vectors_ == 0; }
    ProbabilityVector mean() const;  // must not be empty

  private:
    ProbabilityVector sum_;
    std::uint64_t vectors_ = 0;
};

// Call learn() with each normal window, then learned(), then measure() with each window to measure.
// Occupancy is that of the judged cells without the phase waiting.
class SignalAnalysis {
  public:
    // classes, files: their names; the first class is normal.
    SignalAnalysis(jsg_signal signal, const std::vector<std::string>& classes,
                   std::vector<std::string> files, LogarithmUnit unit = LogarithmUnit::bits);

    void learn(const RecordedWindow& window);
    bool has_normal() const { return !mean_.empty(); }
    void learned() { reference_ = mean_.mean(); }  // only if has_normal()
    // class_index, file: indexes of classes and files. An empty distribution is counted and left
    // out.
    void measure(std::size_t class_index, std::size_t file, const RecordedWindow& window);

    const std::string& distribution() const { return analysis_.distribution; }
    // Throws Error(usage) if no normal window was measured, because a recording was replaced.
    Analysis take();

  private:
    jsg_signal signal_;
    MeanDistribution mean_;
    ProbabilityVector reference_;
    Analysis analysis_;
};

}  // namespace jsguard
