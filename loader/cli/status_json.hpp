// SPDX-License-Identifier: BSD-2-Clause
// The status of a running detector as JSON.
#pragma once

#include <string>

#include "observe/observation.hpp"

namespace jsguard {

// One JSON object on one line (docs/watching.md).
std::string status_json(const Observation& seen);

}  // namespace jsguard
