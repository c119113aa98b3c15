// SPDX-License-Identifier: BSD-2-Clause
// A recording as a page to look at: one file of HTML that needs nothing else.
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
    std::vector<Analysis> analyses;  // of its own windows
};

// What a recording says, port by port.
class Report {
  public:
    // A detector has no more services at a time; ports that come later are counted.
    static constexpr std::size_t max_ports = JSG_SERVICES;

    // window: the sequence of the one to show, instead of those at the peaks. port: the only one.
    explicit Report(RecordingHeader header, std::optional<std::uint64_t> window = {},
                    std::optional<std::uint32_t> port = {});

    void take(const RecordingEntry& entry);
    void finish();

    RecordingHeader header;
    std::map<std::uint32_t, ReportedPort> ports;
    std::uint64_t entries_left_out = 0;  // of ports beyond max_ports
    bool cut_short = false;              // the recording's last line

  private:
    std::optional<std::uint64_t> window_;
    std::optional<std::uint32_t> port_;
};

// The page.
std::string report_page(const Report& report);
// The tables and charts of an analysis alone, as a page.
std::string analysis_page(std::span<const Analysis> analyses);

// Throws Error(usage) if a page cannot be written there, or would replace one of what it is made
// of: to be asked before long work.
void check_report_target(const std::filesystem::path& path,
                         const std::vector<std::filesystem::path>& inputs);

// Replaces the file as a whole or not at all; throws Error.
void write_report_page(const std::filesystem::path& path, const Report& report);
void write_analysis_page(const std::filesystem::path& path, std::span<const Analysis> analyses);

}  // namespace jsguard
