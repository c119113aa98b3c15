// SPDX-License-Identifier: BSD-2-Clause
// Where the record of a replayed window is not the recorded one.
#pragma once

#include <optional>
#include <string>

#include "kernel/jsguard.h"

namespace jsguard {

// "occupancy/js_bits is 0.13, recorded 0.12": the first field that differs, in the words and the
// order of a recording; none for equal records.
std::optional<std::string> window_difference(const jsg_window& recorded,
                                             const jsg_window& replayed);

}  // namespace jsguard
