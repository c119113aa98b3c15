// SPDX-License-Identifier: BSD-2-Clause
// Whether a detector that is being watched closes windows, or was killed and left its maps behind.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "observation.hpp"

namespace jsguard {

// How often what waits for a running detector looks at it.
constexpr auto poll_every = std::chrono::milliseconds(200);

class Silence {
  public:
    explicit Silence(const jsg_config& config)
        : most_(std::chrono::nanoseconds(silent_too_long_ns(config))) {}

    // windows: all that were closed up to now; expected: whether any need be. How long none was, in
    // seconds, if that is too long.
    std::optional<std::int64_t> too_long(std::uint64_t windows, bool expected = true) {
        const auto now = std::chrono::steady_clock::now();
        if (windows != windows_ || !expected) last_at_ = now;
        windows_ = windows;
        if (now - last_at_ <= most_) return {};
        return std::chrono::duration_cast<std::chrono::seconds>(most_).count();
    }

  private:
    std::chrono::steady_clock::duration most_;
    std::chrono::steady_clock::time_point last_at_ = std::chrono::steady_clock::now();
    std::uint64_t windows_ = 0;
};

}  // namespace jsguard
