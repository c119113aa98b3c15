// SPDX-License-Identifier: BSD-2-Clause
// Units of time and times of the kernel's clocks, as whole numbers.
#pragma once

#include <cstdint>
#include <ctime>

#include "kernel/jsguard.h"

namespace jsguard {

constexpr std::uint64_t second_ns = 1'000'000'000;
constexpr std::uint64_t millisecond_ns = second_ns / 1000;

constexpr std::uint64_t second_ms = 1000;
constexpr std::uint64_t minute_ms = 60 * second_ms;
constexpr std::uint64_t hour_ms = 60 * minute_ms;
constexpr std::uint64_t day_ms = 24 * hour_ms;

// The detector's --step and --learn, in seconds.
inline std::uint32_t step_seconds(const jsg_config& config) {
    return static_cast<std::uint32_t>(config.step_ns / second_ns);
}
inline std::uint32_t learn_seconds(const jsg_config& config) {
    return config.learn_steps * step_seconds(config);
}

inline std::uint64_t clock_ns(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * second_ns +
           static_cast<std::uint64_t>(now.tv_nsec);
}

inline std::uint64_t unix_now_ms() { return clock_ns(CLOCK_REALTIME) / millisecond_ns; }

}  // namespace jsguard
