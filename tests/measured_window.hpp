// SPDX-License-Identifier: BSD-2-Clause
// The expected figures of a window, computed natively from the readings at its two ends.
#pragma once

#include <cstdint>

#include "kernel/decision.h"
#include "kernel/layouts.h"

namespace testbed {

struct Measured {
    jsg_expectation sockets{};  // of occupancy only
    std::uint32_t js = 0;
    std::uint32_t significance = 0;  // the significance bound in billionths of a bit
    std::uint32_t with_waiting = 0;
};

std::uint64_t transitions_between(const jsg_reading& newer, const jsg_reading& older);

// A baseline from the counts between two readings that are learned_s steps of one second apart.
jsg_baseline learned_between(const jsg_reading& newer, const jsg_reading& older,
                             std::uint32_t learned_s);

// The expected figures of the window between two readings, compared with a baseline.
Measured transitions_measured(const jsg_config& config, const jsg_reading& newer,
                              const jsg_reading& older, const jsg_baseline& normal);
// normal: nullptr for the generic baseline.
Measured occupancy_measured(const jsg_config& config, const jsg_reading& newer,
                            const jsg_reading& older, const jsg_baseline* normal);

}  // namespace testbed
