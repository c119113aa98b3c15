// SPDX-License-Identifier: BSD-2-Clause
// Times, numbers, sizes and lists of ports as text for people.
#include "common/quantity_text.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ctime>

#include "common/cells.hpp"
#include "common/clocks.hpp"

namespace jsguard {
namespace {

constexpr double kibibyte = 1024, mebibyte = 1024 * kibibyte;

}  // namespace

std::string utc_timestamp(std::uint64_t unix_ms) {
    constexpr std::uint64_t last_ms = 253'402'300'799'999;  // the end of the year 9999
    const std::uint64_t shown_ms = std::min(unix_ms, last_ms);
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}+00:00",
                       fmt::gmtime(static_cast<std::time_t>(shown_ms / second_ms)),
                       shown_ms % second_ms);
}

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

std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
    return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string counted_apart(std::uint64_t count, std::string_view one, std::string_view many) {
    return fmt::format("{} {}", number_text(count), count == 1 ? one : many);
}

// Three decimals; below 0.01 three significant digits instead.
std::string small_bits_text(std::uint32_t nanobits) {
    const double bits = bits_of(nanobits);
    return nanobits == 0 || bits >= 0.01 ? fmt::format("{:.3f}", bits)
                                         : fmt::format("{:.3g}", bits);
}

std::string bytes_text(std::uint64_t bytes) {
    if (static_cast<double>(bytes) < mebibyte)
        return fmt::format("{:.0f} KiB", static_cast<double>(bytes) / kibibyte);
    return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / mebibyte);
}

std::string ports_text(std::span<const std::uint16_t> ports) {
    return fmt::format("{} {}", ports.size() == 1 ? "port" : "ports", fmt::join(ports, ", "));
}

}  // namespace jsguard
