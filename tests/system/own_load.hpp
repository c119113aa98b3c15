// SPDX-License-Identifier: BSD-2-Clause
// Measures whether a load generator keeps up: its own share of a CPU, and how late it acts.
//
// A generator that is at its end makes slow clients, and a detector rightly raises an alert on
// them.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>

class OwnLoad {
  public:
    OwnLoad(const char* program, double now) : program_(program), start_s_(now), second_s_(now) {}

    // Something was done this many seconds after its time.
    void acted(double late_s) {
        events_++;
        late_sum_s_ += std::max(late_s, 0.0);
        max_late_s_ = std::max(max_late_s_, late_s);
        if (late_s > max_late_allowed_s) late_events_++;
    }

    // Call it at least a few times a second.
    void check(double now) {
        if (now < second_s_ + 1) return;
        const double used_s = cpu_s();
        const double share = (used_s - second_cpu_s_) / (now - second_s_);
        max_share_ = std::max(max_share_, share);
        if (share > max_share_allowed) full_seconds_++;
        second_s_ = now;
        second_cpu_s_ = used_s;
        if (at_its_end() && !reported_) {
            reported_ = true;
            fmt::print(stderr, "{}: at its end: {}\n", program_, figures(now));
        }
    }

    // More than one second on a full CPU, or more than one event in a hundred far too late.
    bool at_its_end() const {
        return full_seconds_ > 1 || (late_events_ > 10 && late_events_ * 100 > events_);
    }

    std::string text(double now) const {
        return fmt::format("own load: {}; at its end: {}", figures(now),
                           at_its_end() ? "yes" : "no");
    }

  private:
    static constexpr double max_late_allowed_s = 0.1;
    static constexpr double max_share_allowed = 0.9;

    static double cpu_s() {
        timespec used = {};
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
        return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
    }

    std::string figures(double now) const {
        return fmt::format(
            "CPU {:.0f} % on average, {:.0f} % at most; {:.1f} ms late on average, {:.0f} ms at "
            "most, {} of {} events over {:.0f} ms late",
            100 * cpu_s() / std::max(now - start_s_, 0.001), 100 * max_share_,
            events_ == 0 ? 0.0 : 1000 * late_sum_s_ / static_cast<double>(events_),
            1000 * max_late_s_, late_events_, events_, 1000 * max_late_allowed_s);
    }

    const char* program_;
    double start_s_;
    double second_s_;
    double second_cpu_s_ = cpu_s();
    double max_share_ = 0;
    double late_sum_s_ = 0;
    double max_late_s_ = 0;
    std::uint64_t events_ = 0;
    std::uint64_t late_events_ = 0;
    std::uint64_t full_seconds_ = 0;
    bool reported_ = false;
};
