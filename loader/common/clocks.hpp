// SPDX-License-Identifier: BSD-2-Clause
// What the kernel's clocks show, as whole numbers.
#pragma once

#include <cstdint>
#include <ctime>

#include "common/seconds.hpp"

namespace jsguard {

inline std::uint64_t clock_ns(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * second_ns +
           static_cast<std::uint64_t>(now.tv_nsec);
}

inline std::uint64_t unix_now_ms() { return clock_ns(CLOCK_REALTIME) / millisecond_ns; }

}  // namespace jsguard
