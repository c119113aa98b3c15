// SPDX-License-Identifier: BSD-2-Clause
// Baselines of services, their totals, and the JSON files that keep them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "common/file_replacement.hpp"
#include "kernel/jsguard.h"
#include "kernel/significance.h"

namespace jsguard {

using Baselines = std::map<std::uint16_t, jsg_baseline>;  // by port

// Socket-seconds of all connections except idle ones.
inline std::uint64_t socket_seconds(const jsg_baseline& baseline) {
    return std::uint64_t{baseline.judged_socket_seconds} + baseline.waiting_socket_seconds;
}

// At least 1, so that a pending baseline that has just begun has a rate.
inline std::uint32_t learned_seconds(const jsg_baseline& baseline) {
    return std::max(baseline.learned_s, 1U);
}

// The number of whole episodes. An episode is the time of one connection in one phase.
inline std::uint64_t episodes(const jsg_baseline& baseline, std::uint32_t step_s) {
    return jsg_episodes_milli(baseline.occupancy_socket_seconds, JSG_PHASE_CELLS,
                              learned_seconds(baseline), step_s) /
           JSG_MILLI;
}

// Where, when and how a file was learned. A field that the file lacks keeps its default.
struct BaselineOrigin {
    std::string host;
    std::string kernel;
    std::uint64_t unix_ms = 0;
    std::uint32_t step_s = 1;  // the detector's step: its samples are this far apart
};
// Of this machine, now.
BaselineOrigin origin_here(std::uint32_t step_s);

struct BaselineFile {
    BaselineOrigin origin;
    Baselines baselines;
};

// Throws Error(usage) for a file that cannot be read or has invalid baselines.
BaselineFile read_baseline_file(const std::filesystem::path& path);
Baselines read_baselines(const std::filesystem::path& path);

// Replaces the file as a whole or not at all; throws Error(runtime).
void write_baselines(const std::filesystem::path& path, const Baselines& baselines,
                     const BaselineOrigin& origin);

// For a process that writes the file again and again. Throws what check_baseline_target() throws.
OutputFile baseline_output(const std::filesystem::path& path);
void write_baselines(const OutputFile& file, const Baselines& baselines,
                     const BaselineOrigin& origin);

// Throws Error(usage) if write_baselines() cannot write path, or if path is a file that is neither
// empty nor a baseline file. Call it before learning, so that no learning time is lost.
void check_baseline_target(const std::filesystem::path& path);

// Write and parse the text of a file. Parsing throws Error(usage); the message does not name the
// file.
std::string baselines_to_json(const Baselines& baselines, const BaselineOrigin& origin);
BaselineFile baseline_file_from_json(std::string_view text);
Baselines baselines_from_json(std::string_view text);

}  // namespace jsguard
