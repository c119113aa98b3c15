// SPDX-License-Identifier: BSD-2-Clause
// What a recording of a running detector holds: its windows, and all that judged them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "kernel/jsguard.h"

namespace jsguard {

// The first line of a recording: of which detector it is.
struct RecordingHeader {
    std::string host;
    std::string kernel;
    std::uint64_t unix_ms = 0;  // when recording began
    jsg_config config{};        // of the detector; cpus, netns and has_rdonly_cast too
};

// A service as it was before the first of its windows that is recorded.
struct RecordedService {
    jsg_service service{};                 // .sequence: of the last window that is not recorded
    std::optional<jsg_baseline> baseline;  // in force
    std::optional<jsg_baseline> pending_baseline;  // being learned
    std::vector<jsg_reading> history;  // the steps up to then that are known, oldest first
};

// One closed window: its record, as in the map "windows", and the counts that it was judged by.
struct RecordedWindow {
    jsg_window record{};
    std::array<std::uint32_t, JSG_SIGNALS> threshold_nanobits{};
    std::array<std::uint32_t, JSG_TRANSITION_CELLS> transitions{};
    std::array<std::uint32_t, JSG_PHASE_CELLS> occupancy{};  // sockets looked at, by cell
    jsg_reading step{};                                      // what its last step added
    std::uint32_t listeners = 0;
};

// A baseline that came in force at the end of the window of that sequence.
struct RecordedBaseline {
    std::uint32_t port = 0;
    std::uint64_t sequence = 0;
    jsg_baseline baseline{};
};

// The service was asked to relearn, and began to with the window of that sequence.
struct RecordedRelearning {
    std::uint32_t port = 0;
    std::uint64_t sequence = 0;
};

// Windows that were closed and are not recorded: the recorder was too late for them.
struct RecordedGap {
    std::uint32_t port = 0;
    std::uint64_t sequence = 0;  // of the first that is missing
    std::uint64_t windows = 0;
};

// The service gave its place back: what follows of its port is another one.
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
