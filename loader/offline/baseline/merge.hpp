// SPDX-License-Identifier: BSD-2-Clause
// Several baseline files as one: counts added up, spreads pooled.
#pragma once

#include <span>

#include "common/baseline_file.hpp"

namespace jsguard {

// The spread of all windows together. It is exact, except that the result is rounded down. The sums
// that learning needs are 0. Throws Error(usage) if there are too many windows.
jsg_spread pooled(const jsg_spread& a, const jsg_spread& b);

// Throws Error(usage) if a total does not fit into 32 bits, or the steps differ.
BaselineFile merged(std::span<const BaselineFile> files);

}  // namespace jsguard
