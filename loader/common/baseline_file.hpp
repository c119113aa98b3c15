// SPDX-License-Identifier: BSD-2-Clause
// Baselines, what services normally do: their totals, and their files, JSON that people can read.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "kernel/jsguard.h"
#include "kernel/significance.h"

namespace jsguard {

using Baselines = std::map<std::uint16_t, jsg_baseline>;  // by port

// Idle connections apart.
inline std::uint64_t socket_seconds(const jsg_baseline& baseline) {
    return std::uint64_t{baseline.judged_socket_seconds} + baseline.waiting_socket_seconds;
}

// At least 1, so that a rate can be told of a pending_baseline that has only begun.
inline std::uint32_t learned_seconds(const jsg_baseline& baseline) {
    return std::max(baseline.learned_s, 1U);
}

// Of a connection in a phase, whole ones.
inline std::uint64_t episodes(const jsg_baseline& baseline, std::uint32_t step_s) {
    return jsg_episodes_milli(baseline.occupancy_socket_seconds, JSG_PHASE_CELLS,
                              learned_seconds(baseline), step_s) /
           JSG_MILLI;
}

// Where, when and how a file was learned. What a file does not say is empty, or 0.
struct BaselineOrigin {
    std::string host;
    std::string kernel;
    std::uint64_t unix_ms = 0;
    std::uint32_t step_s = 1;  // of the detector: its looks are so far apart
};
// This machine's, now.
BaselineOrigin origin_here(std::uint32_t step_s);

struct BaselineFile {
    BaselineOrigin origin;
    Baselines baselines;
};

// Throws Error(usage) for a file that cannot be read or does not hold sound baselines.
BaselineFile read_baseline_file(const std::filesystem::path& path);
Baselines read_baselines(const std::filesystem::path& path);

// Replaces the file as a whole or not at all; throws Error(runtime).
void write_baselines(const std::filesystem::path& path, const Baselines& baselines,
                     const BaselineOrigin& origin);

// Throws Error(usage) if path is nothing that write_baselines could replace, or a file that is
// neither empty nor a baseline file: to be asked before learning, not after.
void check_baseline_target(const std::filesystem::path& path);

// The text of a file; parse throws Error(usage) whose message does not name the file.
std::string baselines_to_json(const Baselines& baselines, const BaselineOrigin& origin);
BaselineFile baseline_file_from_json(std::string_view text);
Baselines baselines_from_json(std::string_view text);

}  // namespace jsguard
