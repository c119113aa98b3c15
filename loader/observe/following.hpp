// SPDX-License-Identifier: BSD-2-Clause
// Helpers for commands that follow a running detector: the polling interval, the stop signals, and
// the messages about a detector or a service that is missing.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "common/bpf_file_system.hpp"
#include "common/clocks.hpp"
#include "common/directory_lock.hpp"
#include "common/error.hpp"
#include "common/quantity_text.hpp"
#include "observe/observation.hpp"
#include "observe/pinned_detector.hpp"

namespace jsguard {

// The time between two reads of a running detector's maps.
constexpr auto poll_every = std::chrono::milliseconds(200);

// 1 after one of the signals that were given to stop_at().
inline volatile std::sig_atomic_t stop_requested = 0;
inline void stop_at(std::initializer_list<int> signals) {
    for (const int number : signals) std::signal(number, [](int) { stop_requested = 1; });
}

constexpr const char* detector_ended = "the detector has ended";

// One line about a detector for which has_ended() is true.
inline std::string ended_text(bool loader_is_gone, std::uint64_t silent_ns,
                              std::string_view pin_dir) {
    if (loader_is_gone)
        return fmt::format(
            "the detector in {} has ended: its jsguard-load was killed and has left its maps "
            "behind; start jsguard-load again",
            printable(pin_dir));
    return fmt::format(
        "the detector in {} has shown no life for {}: it was killed and has left its maps behind; "
        "start jsguard-load again",
        printable(pin_dir), duration_text(silent_ns / millisecond_ns));
}

// Throws Error(runtime) if the observed detector has ended.
inline void check_runs(const Observation& seen, std::string_view pin_dir) {
    if (has_ended(seen))
        throw Error(ExitCode::runtime, ended_text(has_ended(seen.attended, seen.is_persisted),
                                                  seen.silent_ns, pin_dir));
}

// Whether a jsguard-load reads the detector's alerts: then it holds the lock of the pin directory.
// The kernel's list of locks may lack a lock. So a detector that ticks without --persist has a
// jsguard-load, whatever the list shows. This waits for some ticks then. None: unknown.
inline std::optional<bool> is_attended(const MapReader& reader, const std::string& pin_dir) {
    constexpr int ticks_to_wait = 8;
    const std::optional<bool> locked = is_locked(pin_dir);
    if (locked != false || has_persisted(pin_dir)) return locked;
    const std::uint64_t before = reader.ticks().count;
    std::this_thread::sleep_for(
        std::chrono::nanoseconds(ticks_to_wait * reader.config().step_ns / JSG_SERVICES));
    return reader.ticks().count != before;
}

// Finds out whether the detector still runs, or was killed and left its maps behind.
class Silence {
  public:
    // The detector must outlive this object.
    explicit Silence(const PinnedDetector& detector) : detector_(detector) {}

    // One line if the detector's loader is gone, or its timer has not ticked for too long. A
    // detector that monitors no port ticks too.
    std::optional<std::string> text() const {
        const std::string& pin_dir = detector_.pin_dir();
        const bool loader_is_gone =
            detector_.is_pinned() &&
            has_ended(is_attended(detector_.reader(), pin_dir), has_persisted(pin_dir));
        const std::uint64_t ticked_ns = detector_.reader().ticks().last_ns;
        // A detector that has not ticked yet is silent since this object was made.
        const std::uint64_t silent_ns =
            silence_ns(ticked_ns ? ticked_ns : began_ns_, clock_ns(CLOCK_MONOTONIC));
        if (!loader_is_gone && !is_silent(silent_ns, detector_.reader().config())) return {};
        return ended_text(loader_is_gone, silent_ns, pin_dir);
    }

    // Throws Error(runtime) with the line of text(), if there is one.
    void check() const {
        if (const auto line = text()) throw Error(ExitCode::runtime, *line);
    }

  private:
    const PinnedDetector& detector_;
    std::uint64_t began_ns_ = clock_ns(CLOCK_MONOTONIC);
};

// Messages for a port that is not monitored. port: 0 for any port.
inline std::string no_service_text(std::uint16_t port) {
    return port ? fmt::format("port {} is not monitored", port) : "no port is monitored";
}
inline std::string waiting_text(std::uint16_t port) {
    return fmt::format("{} yet; waiting for {}", no_service_text(port), port ? "it" : "one");
}

}  // namespace jsguard
