// SPDX-License-Identifier: BSD-2-Clause
// The lines of a recording, parsed: each throws Error(usage) that names neither file nor line.
#pragma once

#include <nlohmann/json.hpp>

#include "offline/recording/recording.hpp"

namespace jsguard {

RecordingHeader header_of(const nlohmann::ordered_json& line);
RecordingEntry entry_of(const nlohmann::ordered_json& line);

// Refuses what jsguard-load sets no detector to, and the arithmetic of a replay could not bear.
void check_recorded_config(const jsg_config& config);

}  // namespace jsguard
