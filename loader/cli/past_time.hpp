// SPDX-License-Identifier: BSD-2-Clause
// A time in the past, as users write it.
#pragma once

#include <cstdint>
#include <string_view>

namespace jsguard {

// "90s", "10m", "2h", "1d": so long before now. "2026-01-02T03:04:05Z", and as jsguard prints it:
// in UTC. In milliseconds since 1970; throws Error(usage) for anything else, and for the future.
std::uint64_t past_time(std::string_view text, std::uint64_t now_unix_ms);

}  // namespace jsguard
