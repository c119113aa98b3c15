// SPDX-License-Identifier: BSD-2-Clause
// Writes a recording as a self-contained HTML page.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "offline/analysis/analysis.hpp"
#include "offline/recording/recording.hpp"
#include "offline/report/port_history.hpp"

namespace jsguard {

struct ReportedPort {
    PortHistory history;
    std::vector<Analysis> analyses;  // of the windows of this port
};

// The content of a recording, port by port.
class Report {
  public:
    // A detector has at most this many services at a time. Entries of further ports are only
    // counted.
    static constexpr std::size_t max_ports = JSG_SERVICES;

    // window: the sequence number of the window to show; none: those at the peaks. port: the only
    // port to report; none: all.
    explicit Report(RecordingHeader header, std::optional<std::uint64_t> window = {},
                    std::optional<std::uint32_t> port = {});

    void take(const RecordingEntry& entry);
    void finish();

    RecordingHeader header;
    std::map<std::uint32_t, ReportedPort> ports;
    std::uint64_t entries_left_out = 0;  // of ports beyond max_ports
    bool cut_short = false;              // the last line of the recording was cut short

  private:
    std::optional<std::uint64_t> window_;
    std::optional<std::uint32_t> port_;
};

// The HTML page of a report.
std::string report_page(const Report& report);
// An HTML page with only the tables and charts of analyses.
std::string analysis_page(std::span<const Analysis> analyses);

// Throws Error(usage) if a page cannot be written to path, or would replace one of its inputs. Call
// it before long work.
void check_report_target(const std::filesystem::path& path,
                         const std::vector<std::filesystem::path>& inputs);

// Replace the file completely, or leave it as it was and throw Error.
void write_report_page(const std::filesystem::path& path, const Report& report);
void write_analysis_page(const std::filesystem::path& path, std::span<const Analysis> analyses);

}  // namespace jsguard
