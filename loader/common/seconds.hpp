// SPDX-License-Identifier: BSD-2-Clause
// The kernel's nanoseconds in seconds, which people are told.
#pragma once

#include <cstdint>

#include "kernel/jsguard.h"

namespace jsguard {

constexpr std::uint64_t second_ns = 1'000'000'000;
constexpr std::uint64_t millisecond_ns = second_ns / 1000;

// --step of the detector.
inline std::uint32_t step_seconds(const jsg_config& config) {
    return static_cast<std::uint32_t>(config.step_ns / second_ns);
}

}  // namespace jsguard
