// SPDX-License-Identifier: BSD-2-Clause
// What a window should measure, computed from the readings of its two ends by the native
// arithmetic.
#pragma once

#include <cstdint>

#include "kernel/decision.h"
#include "kernel/layouts.h"

namespace testbed {

struct Measured {
    jsg_expectation sockets{};  // of occupancy only
    std::uint32_t js = 0;
    std::uint32_t chance = 0;
    std::uint32_t with_waiting = 0;
};

std::uint64_t transitions_between(const jsg_reading& newer, const jsg_reading& older);

// A baseline with what was counted between two readings, a second apart each.
jsg_baseline learned_between(const jsg_reading& newer, const jsg_reading& older,
                             std::uint32_t learned_s);

// What the window between two readings should measure, against a baseline.
Measured transitions_measured(const jsg_config& config, const jsg_reading& newer,
                              const jsg_reading& older, const jsg_baseline& normal);
// normal: none for the built-in baseline.
Measured occupancy_measured(const jsg_config& config, const jsg_reading& newer,
                            const jsg_reading& older, const jsg_baseline* normal);

}  // namespace testbed
