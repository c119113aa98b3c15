// SPDX-License-Identifier: BSD-2-Clause
// Inconclusive test cases, which neither pass nor fail, and give a reason. bpf_main.cpp prints the
// reasons, and exits with the code that ctest shows as a skipped test.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace testbed {

// Whether a test that lacks something must fail. Otherwise it is shown as skipped.
inline bool must_lack_nothing() {
    const char* required = std::getenv("JSGUARD_REQUIRE_BPF");
    return required && std::string_view(required) == "1";
}

// The reasons that the test cases of this process have given.
inline std::vector<std::string> inconclusive_reasons;

// For a test case that could not create the situation that it tests. It returns after this call.
inline void be_inconclusive(std::string reason) {
    inconclusive_reasons.push_back(std::move(reason));
}

// A test case has one of these if it must act at certain times, for example within a step of the
// detector. While the object exists, pause_ms() measures how long the machine delays this thread.
// If the test case fails after too long a delay, it is run once more. If that happens again, it is
// inconclusive.
class TimeCritical {
  public:
    // The maximum delay in any one second. With a longer delay, a failure is inconclusive.
    static constexpr double max_delay_s = 0.15;

    TimeCritical() : waited_s_(waited_for_cpu_s()) {
        current_ = this;
        was_made = true;
    }
    ~TimeCritical() { current_ = nullptr; }
    TimeCritical(const TimeCritical&) = delete;
    TimeCritical& operator=(const TimeCritical&) = delete;

    // The object of the running test case, or nullptr.
    static TimeCritical* current() { return current_; }
    // Records that a sleep ended late_s later than it should have.
    void add_late_sleep(double now_s, double late_s) {
        const double before_s = std::exchange(waited_s_, waited_for_cpu_s());
        if (std::exchange(second_, std::floor(now_s)) != std::floor(now_s)) delay_s_ = 0;
        delay_s_ += std::max(late_s, waited_s_ - before_s);
        longest_delay_s = std::max(longest_delay_s, delay_s_);
    }
    // The longest delay in one second, in any test case of this process.
    static inline double longest_delay_s = 0;
    // Whether the running test case, or the last one, had such an object.
    static inline bool was_made = false;

  private:
    // How long this thread has waited for a CPU while it was ready to run.
    static double waited_for_cpu_s() {
        std::ifstream schedstat("/proc/thread-self/schedstat");
        double ran_ns = 0, waited_ns = 0;
        schedstat >> ran_ns >> waited_ns;
        return waited_ns * 1e-9;
    }

    static inline TimeCritical* current_ = nullptr;
    double waited_s_;
    double second_ = 0;   // the current second, on the clock of now_s()
    double delay_s_ = 0;  // the delay in the current second
};

}  // namespace testbed
