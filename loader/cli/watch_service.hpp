// SPDX-License-Identifier: BSD-2-Clause
// The parts of the screen of jsguard watch that show one service, each in a given number of lines.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "cli/styled_text.hpp"
#include "observe/observation.hpp"

namespace jsguard {

using Lines = std::vector<Line>;

struct ShownService {
    const Observation& seen;
    const ObservedService& service;
    std::span<const jsg_window> history;  // last windows of the service, oldest first
    const Glyphs& glyphs;
    std::size_t width;
};

// A line for each alert that is up. Without an alert, a line with port and mode.
Lines state_lines(const ShownService& shown, std::size_t rows);
// A bar with the threshold, and below it a sparkline of the last windows if there are lines for it.
Lines divergence_lines(const ShownService& shown, jsg_signal signal, std::size_t rows);
Lines entropy_lines(const ShownService& shown);

// Tables with bars: how often each TCP state was entered in the window, and the sockets in each
// phase and of each age. If there are too many rows, the largest ones are shown.
Lines state_table(const ShownService& shown, std::size_t width, std::size_t rows);
Lines phase_table(const ShownService& shown, std::size_t width, std::size_t rows);
Lines age_table(const ShownService& shown, std::size_t width, std::size_t rows);
// The table of ages in one line.
Lines age_lines(const ShownService& shown);
// Rows of the tables, heading included.
std::size_t state_table_rows(const ShownService& shown);
constexpr std::size_t phase_table_rows = 1 + JSG_CELL_PHASES + 1;  // the last row: idle
constexpr std::size_t age_table_rows = 1 + JSG_AGES;

struct PastAlert {
    jsg_signal signal = JSG_TRANSITIONS;
    std::uint64_t raised_unix_ms = 0;  // end of the first window with the alert up
    bool is_older = false;             // the first window of all has it up: it was raised earlier
    std::uint64_t cleared_unix_ms = 0;
    std::uint64_t duration_ns = 0;    // from raise to clear; 0 if is_older
    std::uint32_t peak_nanobits = 0;  // of the windows with the verdict above
};

// The alerts in the windows that have cleared; the one that cleared last comes first. windows: of
// one service, oldest first.
std::vector<PastAlert> past_alerts(std::span<const jsg_window> windows);
// The past alerts of shown.history.
Lines past_alert_lines(const ShownService& shown, std::size_t rows);

}  // namespace jsguard
