// SPDX-License-Identifier: BSD-2-Clause
// The parts of the screen of jsguard watch that show one service, each in as many lines as it is
// given.
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
    std::span<const jsg_window> history;  // its last windows, oldest first
    const Glyphs& glyphs;
    std::size_t width;
};

// Its port and mode, and each alert that is up: a line, or one for each alert.
Lines state_lines(const ShownService& shown, std::size_t rows);
// A bar against the threshold, and under it the last windows if there are lines for that.
Lines divergence_lines(const ShownService& shown, jsg_signal signal, std::size_t rows);
Lines entropy_lines(const ShownService& shown);

// Tables with bars: the TCP states by how often they were entered in the window, the phases and the
// ages by sockets. Of too many rows the largest stay.
Lines state_table(const ShownService& shown, std::size_t width, std::size_t rows);
Lines phase_table(const ShownService& shown, std::size_t width, std::size_t rows);
Lines age_table(const ShownService& shown, std::size_t width, std::size_t rows);
// The last of them in one line.
Lines age_lines(const ShownService& shown);
// Rows with the heading.
std::size_t state_table_rows(const ShownService& shown);
constexpr std::size_t phase_table_rows = 1 + JSG_CELL_PHASES + 1;  // idle too
constexpr std::size_t age_table_rows = 1 + JSG_AGES;

struct PastAlert {
    jsg_signal signal = JSG_TRANSITIONS;
    std::uint64_t raised_unix_ms = 0;  // end of the first window with it up
    bool is_older = false;             // that is the first of all: it was raised before
    std::uint64_t cleared_unix_ms = 0;
    std::uint64_t duration_ns = 0;    // since it was raised, until it was cleared; 0: is_older
    std::uint32_t peak_nanobits = 0;  // of the windows that are over, as the alert itself tells it
};

// The alerts that the windows tell of and that are over. windows: of one service, oldest first. The
// alert that cleared last comes first.
std::vector<PastAlert> past_alerts(std::span<const jsg_window> windows);
// Those of the history.
Lines past_alert_lines(const ShownService& shown, std::size_t rows);

}  // namespace jsguard
