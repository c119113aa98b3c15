// SPDX-License-Identifier: BSD-2-Clause
// Baselines learned from recordings, by the kernel's own code.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>

#include "common/baseline_file.hpp"

namespace jsguard {

// The numbers of steps of a port in one or more recordings.
struct LearnedSteps {
    std::uint64_t learned = 0;
    std::uint64_t left_out = 0;  // an alert was up or confirming, in the step or soon after it
};

struct RecordedPendingBaseline {
    BaselineFile file;  // ports without enough traffic are included
    std::map<std::uint16_t, LearnedSteps> steps;
};

// Learns from one recording, by the rules of a detector that relearns. It leaves out the steps
// while an alert is up or confirming, and the steps before it (jsg_learn_delay()). It also leaves
// out the same number of steps before a gap. port: learn only this port. Throws Error(usage) if the
// file is no recording.
RecordedPendingBaseline pending_baseline_of(const std::filesystem::path& recording,
                                            std::optional<std::uint16_t> port = {});

// Learns the baselines of all recordings together. Prints on stderr what was learned, and which
// ports are left out because of too little traffic. Throws Error(usage) if no port is left.
BaselineFile learned_from(std::span<const std::filesystem::path> recordings,
                          std::optional<std::uint16_t> port);

}  // namespace jsguard
