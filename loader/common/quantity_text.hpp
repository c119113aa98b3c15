// SPDX-License-Identifier: BSD-2-Clause
// Times, numbers and sizes as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace jsguard {

// "2026-01-02 03:04:05", in UTC
std::string utc_text(std::uint64_t unix_ms);
// "3 d 4 h", "1 h 2 min", "75 s", "0.4 s"
std::string duration_text(std::uint64_t ms);
// "1,234,567"
std::string number_text(std::uint64_t number);
// "31.2 MiB", "12 KiB"
std::string bytes_text(std::uint64_t bytes);

}  // namespace jsguard
