// SPDX-License-Identifier: BSD-2-Clause
// How the number of arrivals changes with the time: made by the simulator, or read from a file.
#include "tests/simulation/curve.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <fstream>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/error.hpp"
#include "common/whole_number.hpp"

namespace simulation {
namespace {

using jsguard::Error;
using jsguard::ExitCode;

constexpr std::uint32_t interval_s = 300;

struct Point {
    double hour, factor;
};

// The straight line between two points. The points have ascending hours, the first 0, the last 24.
template <std::size_t count>
double between(const std::array<Point, count>& points, double hour) {
    std::size_t next = 1;
    while (next + 1 < count && points[next].hour <= hour) ++next;
    const Point &a = points[next - 1], &b = points[next];
    return a.factor + (b.factor - a.factor) * (hour - a.hour) / (b.hour - a.hour);
}

// Visitors of a shop in the hours of a day.
constexpr std::array<Point, 9> shop_hours = {{{0, 0.6},
                                              {2, 0.35},
                                              {5, 0.3},
                                              {8, 0.8},
                                              {11, 1.2},
                                              {16, 1.2},
                                              {20, 1.7},
                                              {22, 1.4},
                                              {24, 0.6}}};

constexpr std::array<Point, 10> office_hours = {{{0, 0.1},
                                                 {6, 0.1},
                                                 {9, 1},
                                                 {12, 1},
                                                 {12.75, 0.7},
                                                 {14, 1},
                                                 {16.5, 1},
                                                 {19, 0.2},
                                                 {21, 0.1},
                                                 {24, 0.1}}};

// The seconds of "YYYY-MM-DD HH:MM:SS" since 1970.
std::optional<std::int64_t> parse_time(std::string_view text) {
    constexpr std::string_view shape = "dddd-dd-dd dd:dd:dd";
    if (text.size() != shape.size()) return {};
    for (std::size_t i = 0; i < shape.size(); ++i) {
        if (shape[i] != 'd' && text[i] != shape[i]) return {};
    }
    const auto part = [&](std::size_t at, std::size_t length, std::uint32_t max) {
        return jsguard::whole_number(text.substr(at, length), 0, max);
    };
    const auto year = part(0, 4, 9999), month = part(5, 2, 12), day = part(8, 2, 31),
               hour = part(11, 2, 23), minute = part(14, 2, 59), second = part(17, 2, 59);
    if (!year || !month || !day || !hour || !minute || !second) return {};
    const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                           std::chrono::month(*month), std::chrono::day(*day)};
    if (!date.ok()) return {};
    const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
    return days * day_s + *hour * 3600 + *minute * 60 + *second;
}

// None if the text is not a number from 0 to a billion.
std::optional<double> parse_number(std::string_view text) {
    double number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stop != end || !(number >= 0 && number <= 1e9)) return {};
    return number;
}

struct Row {
    std::int64_t s;
    double number;
};

std::vector<Row> read_rows(const std::filesystem::path& path) {
    std::ifstream file(path);
    if (!file)
        throw jsguard::errno_error(ExitCode::usage, errno, "cannot read " + path.string(),
                                   "give a file of arrivals");
    const auto refuse = [&](std::size_t line, const std::string& why) {
        throw Error(ExitCode::usage, fmt::format("{}:{}: {}", path.string(), line, why));
    };
    std::vector<Row> rows;
    std::string text;
    for (std::size_t line = 1; std::getline(file, text); ++line) {
        if (text.ends_with('\r')) text.pop_back();
        if (line == 1) {
            if (text != "timestamp,value")
                refuse(line, fmt::format("\"{}\": the first line must be \"timestamp,value\"",
                                         jsguard::printable(text)));
            continue;
        }
        const std::size_t comma = std::min(text.find(','), text.size());
        const auto s = parse_time(std::string_view(text).substr(0, comma));
        const auto number =
            parse_number(std::string_view(text).substr(std::min(comma + 1, text.size())));
        if (!s || !number)
            refuse(line, fmt::format("\"{}\": give a line such as 2024-04-10 00:05:00,94.0",
                                     jsguard::printable(text)));
        if (!rows.empty() && *s <= rows.back().s)
            refuse(line, "the time is not later than that of the line before");
        rows.push_back({*s, *number});
    }
    if (file.bad())
        throw jsguard::errno_error(ExitCode::runtime, errno, "cannot read " + path.string());
    return rows;
}

}  // namespace

Curve::Curve(std::uint32_t every_s, std::vector<double> factors)
    : interval_s_(every_s), factors_(std::move(factors)) {
    const double mean = std::accumulate(factors_.begin(), factors_.end(), 0.0) /
                        static_cast<double>(factors_.size());
    for (double& factor : factors_) factor /= mean;
}

Curve Curve::smoothed() const {
    const std::size_t count = factors_.size(),
                      reach = std::min<std::size_t>(1800 / interval_s_, (count - 1) / 2);
    std::vector<double> means(count);
    for (std::size_t i = 0; i < count; ++i) {
        for (std::size_t k = 0; k <= 2 * reach; ++k)
            means[i] += factors_[(i + count - reach + k) % count];
    }
    return {interval_s_, std::move(means)};
}

Curve made_curve(std::uint64_t seed, std::uint32_t days) {
    constexpr double noise_sigma = 0.3, bursts_a_day = 3, largest_burst = 10;
    Random random(seed, 0);
    std::vector<double> factors;
    for (std::uint32_t i = 0; i < days * (day_s / interval_s); ++i) {
        const Moment moment{static_cast<double>(i) * interval_s};
        const double burst = random.happens(bursts_a_day * interval_s / day_s)
                                 ? random.uniform(3, largest_burst)
                                 : 1;
        factors.push_back(between(shop_hours, moment.hour()) * burst *
                          random.lognormal(1, noise_sigma));
    }
    return {interval_s, std::move(factors)};
}

Curve read_curve(const std::filesystem::path& path) {
    const std::vector<Row> rows = read_rows(path);
    const auto refuse = [&](const char* why) {
        throw Error(ExitCode::usage, fmt::format("{}: {}", path.string(), why));
    };
    if (rows.empty()) refuse("it has no arrivals");
    const std::int64_t midnight = rows.front().s / day_s * day_s;
    const std::int64_t days = (rows.back().s - midnight) / day_s;
    if (days < 1) refuse("it covers less than a day");
    if (days > 366) refuse("it covers more than a year");
    std::vector<double> factors;
    std::size_t row = 0;
    for (std::int64_t s = midnight; s < midnight + days * day_s; s += interval_s) {
        while (row + 1 < rows.size() && rows[row + 1].s <= s) ++row;
        factors.push_back(rows[row].number);
    }
    if (std::none_of(factors.begin(), factors.end(), [](double factor) { return factor > 0; }))
        refuse("all its numbers are 0");
    return {interval_s, std::move(factors)};
}

double office_share(Moment moment) {
    return moment.is_weekend() ? 0.1 : between(office_hours, moment.hour());
}

}  // namespace simulation
