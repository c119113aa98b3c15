// SPDX-License-Identifier: BSD-2-Clause
// What all that follow a running detector share: how often they look at it, when they stop, and
// what they say while there is nothing to follow.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "common/clocks.hpp"
#include "common/error.hpp"
#include "common/quantity_text.hpp"
#include "observe/observation.hpp"
#include "observe/pinned_detector.hpp"

namespace jsguard {

// How often what waits for a running detector looks at it.
constexpr auto poll_every = std::chrono::milliseconds(200);

// Whether a signal has asked to stop, of those that stop_at() was given.
inline volatile std::sig_atomic_t stop_requested = 0;
inline void stop_at(std::initializer_list<int> signals) {
    for (const int number : signals) std::signal(number, [](int) { stop_requested = 1; });
}

constexpr const char* detector_ended = "the detector has ended";

// One line about a detector that is_silent().
inline std::string silence_text(std::uint64_t silent_ns, std::string_view pin_dir) {
    return fmt::format(
        "the detector in {} has shown no life for {}: it was killed and has left its maps behind; "
        "start jsguard-load again",
        printable(pin_dir), duration_text(silent_ns / millisecond_ns));
}

// Whether a detector shows life, or was killed and left its maps behind.
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

// What is said where the services that were asked for are not there. port: 0 for any.
inline std::string not_there_text(std::uint16_t port) {
    return port ? fmt::format("port {} is not monitored", port) : "no port is monitored";
}
inline std::string waiting_text(std::uint16_t port) {
    return fmt::format("{} yet; waits until {} is", not_there_text(port), port ? "it" : "one");
}

}  // namespace jsguard
