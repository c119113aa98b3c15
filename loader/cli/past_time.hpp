// SPDX-License-Identifier: BSD-2-Clause
// Parses a time in the past, as users write it.
#pragma once

#include <cstdint>
#include <string_view>

namespace jsguard {

// Returns milliseconds since 1970. text: a length before now ("90s", "10m", "2h", "1d"), or a time
// in UTC ("2026-01-02T03:04:05Z", or as jsguard prints it). Throws Error(usage) for any other text,
// and for a time in the future.
std::uint64_t past_time(std::string_view text, std::uint64_t now_unix_ms);

}  // namespace jsguard
