// SPDX-License-Identifier: BSD-2-Clause
// Parses the lines of a recording. All functions throw Error(usage), which names neither file nor
// line.
#pragma once

#include <nlohmann/json.hpp>

#include "offline/recording/recording.hpp"

namespace jsguard {

RecordingHeader header_of(const nlohmann::ordered_json& line);
RecordingEntry entry_of(const nlohmann::ordered_json& line);

// Refuses a configuration that jsguard-load never sets. The arithmetic of a replay could fail with
// it.
void check_recorded_config(const jsg_config& config);

}  // namespace jsguard
