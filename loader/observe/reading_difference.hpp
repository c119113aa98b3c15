// SPDX-License-Identifier: BSD-2-Clause
// What was counted between two readings of a service's counters.
#pragma once

#include <algorithm>
#include <functional>
#include <iterator>

#include "kernel/jsguard.h"

namespace jsguard {

// What newer counted and older had not, modulo 2^32.
inline jsg_reading difference(const jsg_reading& newer, const jsg_reading& older) {
    jsg_reading between{};
    std::transform(std::begin(newer.transitions), std::end(newer.transitions), older.transitions,
                   between.transitions, std::minus<>());
    std::transform(std::begin(newer.occupancy), std::end(newer.occupancy), older.occupancy,
                   between.occupancy, std::minus<>());
    between.answers = newer.answers - older.answers;
    between.full_queue_steps = newer.full_queue_steps - older.full_queue_steps;
    return between;
}

}  // namespace jsguard
