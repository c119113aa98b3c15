// SPDX-License-Identifier: BSD-2-Clause
// One distribution of recorded windows: the mean of the normal ones, then how far each is from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "offline/analysis/analysis.hpp"
#include "offline/recording/recording.hpp"

namespace jsguard {

// The mean of vectors of one length that are given one by one.
class MeanDistribution {
  public:
    void add(const ProbabilityVector& vector);
    bool empty() const { return vectors_ == 0; }
    ProbabilityVector mean() const;  // not if it is empty

  private:
    ProbabilityVector sum_;
    std::uint64_t vectors_ = 0;
};

// To be told all normal windows, then that these were all, then each window to measure. Occupancy
// is that which the detector judges without the phase waiting.
class SignalAnalysis {
  public:
    // The names of the classes, normal first, and of the files.
    SignalAnalysis(jsg_signal signal, const std::vector<std::string>& classes,
                   std::vector<std::string> files, LogarithmUnit unit = LogarithmUnit::bits);

    void learn(const RecordedWindow& window);
    bool has_normal() const { return !mean_.empty(); }
    void learned() { reference_ = mean_.mean(); }  // if it has any
    // class_index: of classes; file: of files. A window that has nothing of the signal is counted
    // and left out.
    void measure(std::size_t class_index, std::size_t file, const RecordedWindow& window);

    const std::string& distribution() const { return analysis_.distribution; }
    // Throws Error(usage) if no normal window was measured: those that it learned from are gone.
    Analysis take();

  private:
    jsg_signal signal_;
    MeanDistribution mean_;
    ProbabilityVector reference_;
    Analysis analysis_;
};

}  // namespace jsguard
