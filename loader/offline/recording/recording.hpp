// SPDX-License-Identifier: BSD-2-Clause
// The content of a recording: the windows of a detector, and everything that they were judged by.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kernel/jsguard.h"

namespace jsguard {

// The first line of a recording. It describes the detector.
struct RecordingHeader {
    std::string host;
    std::string kernel;
    std::uint64_t unix_ms = 0;  // when recording began
    jsg_config config{};        // of the detector; includes cpus, netns and has_rdonly_cast
};

// The state of a service before its first recorded window.
struct RecordedService {
    jsg_service service{};                 // .sequence: of the last window before the recording
    std::optional<jsg_baseline> baseline;  // in force
    std::optional<jsg_baseline> pending_baseline;  // being learned
    std::vector<jsg_reading> history;              // the known steps up to .sequence, oldest first
};

// One closed window: its record as in the map "windows", and its counts.
struct RecordedWindow {
    jsg_window record{};
    std::array<std::uint32_t, JSG_SIGNALS> threshold_nanobits{};
    std::array<std::uint32_t, JSG_TRANSITION_CELLS> transitions{};
    std::array<std::uint32_t, JSG_PHASE_CELLS> occupancy{};  // sampled sockets, by cell
    jsg_reading step{};                                      // counts of its last step
    std::uint32_t listeners = 0;
};

// A baseline came in force at the end of the window with that sequence number.
struct RecordedBaseline {
    std::uint32_t port = 0;
    std::uint64_t sequence = 0;
    jsg_baseline baseline{};
};

// The service began to relearn with the window of that sequence number, because it was asked to.
struct RecordedRelearning {
    std::uint32_t port = 0;
    std::uint64_t sequence = 0;
};

// Closed windows that are missing in the recording, because the recorder was too late.
struct RecordedGap {
    std::uint32_t port = 0;
    std::uint64_t sequence = 0;  // of the first missing window
    std::uint64_t windows = 0;
};

// The service lost its service entry. Later entries of the port belong to another service.
struct RecordedEnd {
    std::uint32_t port = 0;
    std::uint64_t sequence = 0;  // of its last window
};

// A line of a recording after the first.
using RecordingEntry = std::variant<RecordedService, RecordedWindow, RecordedBaseline,
                                    RecordedRelearning, RecordedGap, RecordedEnd>;

struct PortOf {
    std::uint32_t operator()(const RecordedService& entry) const { return entry.service.port; }
    std::uint32_t operator()(const RecordedWindow& entry) const { return entry.record.port; }
    std::uint32_t operator()(const auto& entry) const { return entry.port; }
};
inline std::uint32_t recorded_port(const RecordingEntry& entry) {
    return std::visit(PortOf{}, entry);
}

}  // namespace jsguard
