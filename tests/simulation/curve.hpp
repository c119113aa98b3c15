// SPDX-License-Identifier: BSD-2-Clause
// How the number of arrivals changes with the time: made by the simulator, or read from a file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "tests/simulation/random.hpp"

namespace simulation {

constexpr std::uint32_t day_s = 86'400;

// Times are in seconds since midnight before the first day, a Monday.
struct Moment {
    double s = 0;

    std::uint32_t day() const { return static_cast<std::uint32_t>(s / day_s); }
    std::uint32_t weekday() const { return day() % 7; }  // 0 is Monday
    bool is_weekend() const { return weekday() >= 5; }
    double hour() const { return (s - day() * static_cast<double>(day_s)) / 3600; }
    bool is_between(double from_hour, double to_hour) const {
        return hour() >= from_hour && hour() < to_hour;
    }
};

// A factor for each interval, 1 on average. After its end it begins again.
class Curve {
  public:
    // The factors are divided by their mean, which must be above 0.
    Curve(std::uint32_t interval_s, std::vector<double> factors);

    double at(Moment moment) const {
        return factors_[static_cast<std::size_t>(moment.s / interval_s_) % factors_.size()];
    }
    // The mean over an hour around each interval.
    Curve smoothed() const;
    std::uint32_t interval_s() const { return interval_s_; }
    const std::vector<double>& factors() const { return factors_; }

  private:
    std::uint32_t interval_s_;
    std::vector<double> factors_;
};

// The simulator's own curve: a day of a shop, with noise and bursts of up to ten times.
Curve made_curve(std::uint64_t seed, std::uint32_t days);

// A file of lines "YYYY-MM-DD HH:MM:SS,NUMBER" after a line "timestamp,value": the number of
// arrivals in the interval that begins then. The times ascend. Whole days are used, from the first
// line's midnight on. Throws jsguard::Error(usage), whose message names the file and the line.
Curve read_curve(const std::filesystem::path& path);

// The share of the staff of an office that works: 1 in office hours, 0.1 at night and on weekends.
double office_share(Moment moment);

}  // namespace simulation
