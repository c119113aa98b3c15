// SPDX-License-Identifier: BSD-2-Clause
// Reads files of samples and measures how far each sample is from the mean of the normal samples.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "offline/analysis/analysis.hpp"
#include "offline/analysis/sample_files.hpp"

namespace jsguard {

struct AnalysisRequest {
    std::vector<SampleClass> classes;   // normal first
    std::optional<std::uint16_t> port;  // only windows of this port; for recordings only
    LogarithmUnit unit = LogarithmUnit::bits;
};

struct AnalysisResult {
    std::vector<Analysis> analyses;  // one for each distribution that the normal samples have
    std::vector<std::string> notes;  // lines for the user about the files
};

// done and total: bytes.
using ReadProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// Reads recordings window by window: first the normal ones for their mean, then all to measure
// them. Keeps the measured values and the numbers of each window in memory. Ignores what is written
// to a recording between the two passes. Throws Error(usage) if a file is invalid, if the files
// cannot be analyzed together, or if a class has no sample.
AnalysisResult analyze(const AnalysisRequest& request, const ReadProgress& progress = {});

}  // namespace jsguard
