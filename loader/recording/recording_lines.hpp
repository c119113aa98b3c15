// SPDX-License-Identifier: BSD-2-Clause
// The lines of a recording, parsed: each throws Error(usage) that names neither file nor line.
#pragma once

#include <nlohmann/json.hpp>

#include "recording.hpp"

namespace jsguard {

RecordingHeader header_of(const nlohmann::ordered_json& line);
RecordingEntry entry_of(const nlohmann::ordered_json& line);

}  // namespace jsguard
