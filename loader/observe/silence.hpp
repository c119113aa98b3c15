// SPDX-License-Identifier: BSD-2-Clause
// Whether a detector that is being watched shows life, or was killed and left its maps behind.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "cli/status_text.hpp"
#include "common/clocks.hpp"
#include "common/error.hpp"
#include "observe/observation.hpp"
#include "observe/pinned_detector.hpp"

namespace jsguard {

// How often what waits for a running detector looks at it.
constexpr auto poll_every = std::chrono::milliseconds(200);

class Silence {
  public:
    // The detector must outlive it.
    explicit Silence(const PinnedDetector& detector) : detector_(detector) {}

    // One line, once the detector's timer has not ticked for too long, whether or not it monitors
    // a port.
    std::optional<std::string> told() const {
        const std::uint64_t ticked_ns = detector_.reader().ticks().last_ns;
        // One that has not ticked yet is given the same time from now on.
        const std::uint64_t silent_ns =
            silence_ns(ticked_ns ? ticked_ns : began_ns_, clock_ns(CLOCK_MONOTONIC));
        if (!is_silent(silent_ns, detector_.reader().config())) return {};
        return silence_text(silent_ns, detector_.pin_dir());
    }

    // Throws Error(runtime) with that line.
    void check() const {
        if (const auto line = told()) throw Error(ExitCode::runtime, *line);
    }

  private:
    const PinnedDetector& detector_;
    std::uint64_t began_ns_ = clock_ns(CLOCK_MONOTONIC);
};

}  // namespace jsguard
