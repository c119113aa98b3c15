// SPDX-License-Identifier: BSD-2-Clause
// Times, numbers and sizes as people read them.
#include "common/quantity_text.hpp"

#include <fmt/format.h>

#include "common/alert_text.hpp"

namespace jsguard {
namespace {

constexpr std::uint64_t second_ms = 1000, minute_ms = 60 * second_ms, hour_ms = 60 * minute_ms,
                        day_ms = 24 * hour_ms;
constexpr double kibibyte = 1024, mebibyte = 1024 * kibibyte;

}  // namespace

std::string utc_text(std::uint64_t unix_ms) {
    const std::string stamp = utc_timestamp(unix_ms);
    return stamp.substr(0, 10) + " " + stamp.substr(11, 8);
}

std::string duration_text(std::uint64_t ms) {
    if (ms < 10 * second_ms) return fmt::format("{:.3g} s", static_cast<double>(ms) / second_ms);
    if (ms < 2 * minute_ms) return fmt::format("{} s", ms / second_ms);
    if (ms < hour_ms) return fmt::format("{} min {} s", ms / minute_ms, ms % minute_ms / second_ms);
    if (ms < 2 * day_ms) return fmt::format("{} h {} min", ms / hour_ms, ms % hour_ms / minute_ms);
    return fmt::format("{} d {} h", ms / day_ms, ms % day_ms / hour_ms);
}

std::string number_text(std::uint64_t number) {
    std::string text = std::to_string(number);
    for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
    return text;
}

std::string bytes_text(std::uint64_t bytes) {
    if (static_cast<double>(bytes) < mebibyte)
        return fmt::format("{:.0f} KiB", static_cast<double>(bytes) / kibibyte);
    return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / mebibyte);
}

}  // namespace jsguard
