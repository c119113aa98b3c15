// SPDX-License-Identifier: BSD-2-Clause
// Fills the ring buffer of a detector with what is no alert, as one that nobody reads from gets.
#pragma once

#include <cstddef>

namespace testbed {

// Until just so many alerts more have room. ring: the map. Throws std::runtime_error.
void leave_room(int ring, std::size_t alerts);

}  // namespace testbed
