// SPDX-License-Identifier: BSD-2-Clause
// What baselines say to people, and to programs that need not know the counts' formulas.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/baseline_file.hpp"

namespace jsguard {

// The file's baseline of one port alone; all of them if none is named. Throws Error(usage) if it
// has none of that port; name: what the file is called in the message.
BaselineFile only_port(const BaselineFile& file, std::optional<std::uint16_t> port,
                       const std::string& name);

// Several lines, each with its newline.
std::string baselines_text(const BaselineFile& file);

// One JSON object, indented.
std::string baselines_measures_json(const BaselineFile& file);

// "web1, kernel 6.18.0, 2026-01-02T03:04:05.678+00:00, steps of 1 s"
std::string origin_text(const BaselineOrigin& origin);

}  // namespace jsguard
