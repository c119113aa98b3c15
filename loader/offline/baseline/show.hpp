// SPDX-License-Identifier: BSD-2-Clause
// Baselines as text and as JSON, with the figures that are computed from their counts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/baseline_file.hpp"

namespace jsguard {

// The file with only the baseline of one port, or unchanged if no port is given. Throws
// Error(usage) if the file has no baseline of that port. name: the name of the file in the message.
BaselineFile only_port(const BaselineFile& file, std::optional<std::uint16_t> port,
                       const std::string& name);

// Several lines, each with its newline.
std::string baselines_text(const BaselineFile& file);

// One JSON object, indented.
std::string baselines_measures_json(const BaselineFile& file);

// "web1, kernel 6.18.0, 2026-01-02T03:04:05.678+00:00, steps of 1 s"
std::string origin_text(const BaselineOrigin& origin);

}  // namespace jsguard
