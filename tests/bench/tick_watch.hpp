// SPDX-License-Identifier: BSD-2-Clause
// The duration of each callback of a detector's timer, by watching the counters that it keeps.
#pragma once

#include <cstdint>
#include <vector>

#include "kernel/jsguard.h"
#include "load/detector.hpp"

namespace bench {

struct TickTimes {
    std::vector<double> us;    // of each callback that was seen alone
    std::uint64_t unseen = 0;  // those that ended between two looks with another
    std::uint64_t count = 0;   // all
    double total_us = 0;       // of all
    double elapsed_s = 0;
    double share_of_cpu() const { return total_us / 1e6 / elapsed_s; }
    double mean_us() const { return total_us / static_cast<double>(count); }
};

// Watches for so many seconds.
TickTimes watch_ticks(const jsguard::Detector& detector, double seconds);

}  // namespace bench
