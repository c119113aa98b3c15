// SPDX-License-Identifier: BSD-2-Clause
// Measures the duration of each callback of a detector's timer, from the detector's counters.
#pragma once

#include <cstdint>
#include <vector>

#include "kernel/jsguard.h"
#include "load/detector.hpp"

namespace bench {

struct TickTimes {
    std::vector<double> us;    // duration of each callback that ended alone between two readings
    std::uint64_t unseen = 0;  // callbacks that ended between two readings with another one
    std::uint64_t count = 0;   // of all callbacks
    double total_us = 0;       // of all callbacks
    double elapsed_s = 0;
    double share_of_cpu() const { return total_us / 1e6 / elapsed_s; }
    double mean_us() const { return total_us / static_cast<double>(count); }
};

// Reads the counters for this number of seconds.
TickTimes watch_ticks(const jsguard::Detector& detector, double seconds);

}  // namespace bench
