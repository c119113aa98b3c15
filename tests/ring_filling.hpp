// SPDX-License-Identifier: BSD-2-Clause
// Fills the ring buffer of a detector with records that are no alerts, as if nobody read its
// alerts.
#pragma once

#include <cstddef>

namespace testbed {

// Fills the ring until it has room for exactly this number of alerts. ring: the map's file
// descriptor. Throws std::runtime_error.
void leave_room(int ring, std::size_t alerts);

}  // namespace testbed
