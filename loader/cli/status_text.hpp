// SPDX-License-Identifier: BSD-2-Clause
// What a running detector does now, for a person, on one screen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "observe/observation.hpp"

namespace jsguard {

struct StatusStyle {
    std::size_t width = 0;   // where lines are broken between words; 0: nowhere
    std::size_t height = 0;  // of the terminal, 0: none; if that is too low, alerts are told again
    bool colour = false;
    std::uint32_t port = 0;  // the only one that was asked for; 0: all
};

// Lines, with a newline between them. A line of the table is not broken: columns are left out of a
// table that is too wide. Ports that follow one another and say the same share a line.
std::string status_text(const Observation& seen, const StatusStyle& style);

// "raised 3 min 18 s ago", of an alert that is up.
std::string raised_text(const Observation& seen, const jsg_alert_track& alert);

// "ticks 0.07 % of one CPU, maps 10.0 MiB"; empty if that is not known.
std::string known_cost_text(const Cost& cost);

// One line about a port that has no service.
std::string not_monitored_text(const Observation& seen, std::uint32_t port);

// Leaves that port's service alone; throws Error(runtime) if it has none.
void keep_port(Observation& seen, std::uint32_t port);

}  // namespace jsguard
