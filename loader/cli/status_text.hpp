// SPDX-License-Identifier: BSD-2-Clause
// The status of a running detector as text on one screen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "observe/observation.hpp"

namespace jsguard {

struct StatusStyle {
    std::size_t width = 0;  // lines are broken between words at this width; 0: never
    std::size_t height =
        0;  // of the terminal; alerts are repeated at the end if it is too low; 0: none
    bool colour = false;
    std::uint32_t port = 0;  // the only port that is shown; 0: all
};

// Lines, with a newline between them. Lines of the table are not broken: a table that is too wide
// leaves columns out. Consecutive ports with the same text share a line.
std::string status_text(const Observation& seen, const StatusStyle& style);

// "raised 3 min 18 s ago", for an alert that is up.
std::string raised_text(const Observation& seen, const jsg_alert_track& alert);

// "ticks 0.07 % of one CPU, maps 10.0 MiB"; empty if the cost is unknown.
std::string known_cost_text(const Cost& cost);

// One line about a port that is not monitored.
std::string not_monitored_text(const Observation& seen, std::uint32_t port);

// Removes the services of all other ports. Throws Error(runtime) if the port has no service.
void keep_port(Observation& seen, std::uint32_t port);

}  // namespace jsguard
