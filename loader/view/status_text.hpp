// SPDX-License-Identifier: BSD-2-Clause
// What a running detector does now, for a person, on one screen.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "observation.hpp"

namespace jsguard {

struct StatusStyle {
    std::size_t width = 0;  // where lines are broken between words; 0: nowhere
    bool colour = false;
};

// Lines, with a newline between them. A line of the table is never cut or broken.
std::string status_text(const Observation& seen, const StatusStyle& style);

// One line about a detector that is_silent().
std::string silence_text(const Observation& seen, std::string_view pin_dir);

// One line about a port that has no service.
std::string not_guarded_text(const Observation& seen, std::uint32_t port);

}  // namespace jsguard
