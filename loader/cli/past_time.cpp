// SPDX-License-Identifier: BSD-2-Clause
// Parses a time in the past, as users write it.
#include "cli/past_time.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <regex>
#include <string>

#include "common/clocks.hpp"
#include "common/error.hpp"
#include "common/whole_number.hpp"

namespace jsguard {
namespace {

constexpr std::uint32_t max_number = 1'000'000'000;

std::uint64_t unit_ms(char unit) {
    switch (unit) {
        case 's':
            return second_ms;
        case 'm':
            return minute_ms;
        case 'h':
            return hour_ms;
        case 'd':
            return day_ms;
    }
    return 0;
}

// The length "10m" in milliseconds.
std::optional<std::uint64_t> length_ms(std::string_view text) {
    if (text.empty()) return {};
    const std::uint64_t unit = unit_ms(text.back());
    const auto number = whole_number(text.substr(0, text.size() - 1), 0, max_number);
    if (!unit || !number) return {};
    return *number * unit;
}

std::optional<std::uint64_t> utc_ms(const std::string& text) {
    static const std::regex form(
        R"((\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{3}))?(?:Z| UTC|\+00:00)?)");
    std::smatch part;
    if (!std::regex_match(text, part, form)) return {};
    const auto number = [&](std::size_t i) {
        return part[i].matched ? std::stoi(part[i].str()) : 0;
    };
    using namespace std::chrono;
    const year_month_day date{year(number(1)), month(static_cast<unsigned>(number(2))),
                              day(static_cast<unsigned>(number(3)))};
    if (!date.ok() || number(1) < 1970 || number(4) > 23 || number(5) > 59 || number(6) > 59)
        return {};
    const milliseconds since_1970 = sys_days(date).time_since_epoch() + hours(number(4)) +
                                    minutes(number(5)) + seconds(number(6)) +
                                    milliseconds(number(7));
    return static_cast<std::uint64_t>(since_1970.count());
}

}  // namespace

std::uint64_t past_time(std::string_view text, std::uint64_t now_unix_ms) {
    if (const auto length = length_ms(text)) return now_unix_ms - std::min(now_unix_ms, *length);
    const auto time = utc_ms(std::string(text));
    if (!time)
        throw Error(
            ExitCode::usage,
            fmt::format("--since \"{}\" is not a time: give how long ago (90s, 10m, 2h, 1d), "
                        "or a time in UTC (2026-01-02T03:04:05Z)",
                        printable(text)));
    if (*time > now_unix_ms)
        throw Error(ExitCode::usage,
                    fmt::format("--since {} is in the future: give a time in the past, in UTC",
                                printable(text)));
    return *time;
}

}  // namespace jsguard
