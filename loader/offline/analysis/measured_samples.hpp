// SPDX-License-Identifier: BSD-2-Clause
// From files to analyses: the mean of the normal samples, and how far each sample is from it.
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
    std::optional<std::uint16_t> port;  // of recordings: its windows alone
    LogarithmUnit unit = LogarithmUnit::bits;
};

struct AnalysisResult {
    std::vector<Analysis> analyses;  // of each distribution that normal samples have
    std::vector<std::string> notes;  // what the user should know of the files; a line each
};

// done and total: bytes.
using ReadProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// Recordings are read twice, window by window: once for the mean, then to measure. Of each
// window its measured values and numbers stay in memory. What is written to a recording in between
// is no sample. Throws Error(usage) for files that are not sound or cannot be
// analyzed together, and where a class has no sample.
AnalysisResult analyze(const AnalysisRequest& request, const ReadProgress& progress = {});

}  // namespace jsguard
