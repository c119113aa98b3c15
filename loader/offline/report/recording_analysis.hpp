// SPDX-License-Identifier: BSD-2-Clause
// A recording read for a report: its story, and its own windows with an alert against those
// without.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "offline/report/report.hpp"

namespace jsguard {

struct ReportRequest {
    std::filesystem::path recording;
    std::optional<std::uint64_t> window;  // sequence of the one to show
    std::optional<std::uint32_t> port;    // the only one
};

// Reads the recording twice, entry by entry: only what the report shows stays in memory, and of
// each window its measured values. progress: bytes done, and of how many. Throws Error(usage).
Report read_report(
    const ReportRequest& request,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress = {});

}  // namespace jsguard
