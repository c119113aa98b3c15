// SPDX-License-Identifier: BSD-2-Clause
// Reads a recording for a report: the history of each port, and an analysis of windows with an
// alert against windows without one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "offline/report/report.hpp"

namespace jsguard {

struct ReportRequest {
    std::filesystem::path recording;
    std::optional<std::uint64_t> window;  // sequence number of the window to show
    std::optional<std::uint32_t> port;    // show only this port
};

// Reads the recording twice, entry by entry. Keeps only what the report shows, and the measured
// values of each window. Throws Error(usage). progress: called with the bytes read, and the total.
Report read_report(
    const ReportRequest& request,
    const std::function<void(std::uint64_t done, std::uint64_t total)>& progress = {});

}  // namespace jsguard
