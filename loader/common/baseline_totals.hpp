// SPDX-License-Identifier: BSD-2-Clause
// Totals of a baseline that are told to people in more than one place.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernel/jsguard.h"
#include "kernel/significance.h"

namespace jsguard {

// Idle connections apart.
inline std::uint64_t socket_seconds(const jsg_baseline& baseline) {
    return std::uint64_t{baseline.judged_socket_seconds} + baseline.waiting_socket_seconds;
}

// At least 1, so that a rate can be told of a pending_baseline that has only begun.
inline std::uint32_t learned_seconds(const jsg_baseline& baseline) {
    return std::max(baseline.learned_s, 1U);
}

// Of a connection in a phase, whole ones.
inline std::uint64_t episodes(const jsg_baseline& baseline, std::uint32_t step_s) {
    return jsg_episodes_milli(baseline.occupancy_socket_seconds, JSG_PHASE_CELLS,
                              learned_seconds(baseline), step_s) /
           JSG_MILLI;
}

}  // namespace jsguard
