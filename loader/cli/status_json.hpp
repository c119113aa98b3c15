// SPDX-License-Identifier: BSD-2-Clause
// What a running detector does now, for a program.
#pragma once

#include <string>

#include "observe/observation.hpp"

namespace jsguard {

// One JSON object on one line (docs/watching.md).
std::string status_json(const Observation& seen);

}  // namespace jsguard
