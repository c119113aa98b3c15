// SPDX-License-Identifier: BSD-2-Clause
// Times, numbers, sizes and lists of ports as text for people.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "common/clocks.hpp"

namespace jsguard {

// "2026-01-02T03:04:05.678+00:00". A time after the year 9999 is shown as the end of that year.
std::string utc_timestamp(std::uint64_t unix_ms);
// "2026-01-02 03:04:05", in UTC
std::string utc_text(std::uint64_t unix_ms);
// "3 d 4 h", "1 h 2 min", "75 s", "0.4 s"
std::string duration_text(std::uint64_t ms);
// Milliseconds, rounded to a whole second. Every view of an alert rounds its duration so.
inline std::uint64_t round_to_seconds(std::uint64_t ns) {
    return (ns + second_ns / 2) / second_ns * 1000;
}

// "1,234,567"
std::string number_text(std::uint64_t number);
// A number with the right form of its noun: "1 window", "2345 windows"
std::string counted(std::uint64_t count, std::string_view one, std::string_view many);
// The same, with the number as number_text() formats it: "2,345 windows"
std::string counted_apart(std::uint64_t count, std::string_view one, std::string_view many);
// A number of bits that may be very small: "0.413", "0.000346"
std::string small_bits_text(std::uint32_t nanobits);
// "31.2 MiB", "12 KiB"
std::string bytes_text(std::uint64_t bytes);

// "port 80", "ports 80, 443"
std::string ports_text(std::span<const std::uint16_t> ports);

}  // namespace jsguard
