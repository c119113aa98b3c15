// SPDX-License-Identifier: BSD-2-Clause
// Measures the duration of each callback of a detector's timer, from the detector's counters.
#include "tick_watch.hpp"

#include "bench.hpp"
#include "tests/kernel/testbed.hpp"

namespace bench {
namespace {

constexpr int read_every_ms = 3;  // there are 64 callbacks a second

// Reads the counters until two readings are equal, so that a reading is not a mix of two callbacks.
jsg_ticks settled_ticks(const jsguard::Detector& detector) {
    jsg_ticks first = detector.reader().ticks();
    for (;;) {
        const jsg_ticks again = detector.reader().ticks();
        if (again.last_ns == first.last_ns && again.count == first.count) return first;
        first = again;
    }
}

}  // namespace

TickTimes watch_ticks(const jsguard::Detector& detector, double seconds) {
    TickTimes times;
    const double start = testbed::now_s();
    const jsg_ticks begin = settled_ticks(detector);
    jsg_ticks last = begin;
    while (testbed::now_s() - start < seconds) {
        testbed::pause_ms(read_every_ms);
        const jsg_ticks now = settled_ticks(detector);
        const std::uint64_t ended = now.count - last.count;
        if (ended == 1)
            times.us.push_back(static_cast<double>(now.total_ns - last.total_ns) / 1000);
        else
            times.unseen += ended;
        last = now;
    }
    times.elapsed_s = testbed::now_s() - start;
    times.count = last.count - begin.count;
    times.total_us = static_cast<double>(last.total_ns - begin.total_ns) / 1000;
    return times;
}

}  // namespace bench
