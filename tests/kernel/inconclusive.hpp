// SPDX-License-Identifier: BSD-2-Clause
// A test case that is neither passed nor failed, and says why. bpf_main.cpp prints the reasons, and
// exits with the code that ctest takes for a skipped test.
#pragma once

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace testbed {

// The reasons that the test cases of this process have given.
inline std::vector<std::string> inconclusive_reasons;

// For a test case that could not bring about what it tests. It returns right after this call.
inline void be_inconclusive(std::string reason) {
    inconclusive_reasons.push_back(std::move(reason));
}

// A test case has one of these if it must act at certain times, as within a step of the detector.
// While it lives, pause_ms() measures how long the machine keeps this thread from running. If the
// case fails after it was kept for too long, it is run once more, and is then inconclusive.
class TimeCritical {
  public:
    // The most in any one second that leaves a failure a failure.
    static constexpr double delay_most_s = 0.15;

    TimeCritical() : waited_s_(waited_for_cpu_s()) {
        current_ = this;
        was_made = true;
    }
    ~TimeCritical() { current_ = nullptr; }
    TimeCritical(const TimeCritical&) = delete;
    TimeCritical& operator=(const TimeCritical&) = delete;

    // The one of the test case that runs, or nullptr.
    static TimeCritical* current() { return current_; }
    // A sleep has ended so much later than it should have.
    void add_late_sleep(double now_s, double late_s) {
        const double before_s = std::exchange(waited_s_, waited_for_cpu_s());
        if (std::exchange(second_, std::floor(now_s)) != std::floor(now_s)) delay_s_ = 0;
        delay_s_ += std::max(late_s, waited_s_ - before_s);
        longest_delay_s = std::max(longest_delay_s, delay_s_);
    }
    // The most in one second, in any test case of this process.
    static inline double longest_delay_s = 0;
    // Whether the test case that runs, or the last one, had one.
    static inline bool was_made = false;

  private:
    // How long this thread has been ready to run and waited for a CPU.
    static double waited_for_cpu_s() {
        std::ifstream schedstat("/proc/thread-self/schedstat");
        double ran_ns = 0, waited_ns = 0;
        schedstat >> ran_ns >> waited_ns;
        return waited_ns * 1e-9;
    }

    static inline TimeCritical* current_ = nullptr;
    double waited_s_;
    double second_ = 0;   // the present one, on the clock of now_s()
    double delay_s_ = 0;  // in it
};

}  // namespace testbed
