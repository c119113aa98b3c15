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

// The steps of a port in one recording or more.
struct LearnedSteps {
    std::uint64_t learned = 0;
    std::uint64_t left_out = 0;  // an alert was up or being confirmed, then or soon after
};

struct RecordedPendingBaseline {
    BaselineFile file;  // of the ports that showed too little too
    std::map<std::uint16_t, LearnedSteps> steps;
};

// What one recording teaches. Its steps are learned as while a detector relearns: none while an
// alert is up or is being confirmed, and not the last ones before, ten or a window's; nor those
// before a gap. port: learn that one alone. Throws Error(usage) if the file is no recording.
RecordedPendingBaseline pending_baseline_of(const std::filesystem::path& recording,
                                            std::optional<std::uint16_t> port = {});

// The baselines of all recordings together; says on stderr what was learned, and which ports showed
// too little and are left out. Throws Error(usage) if none is left.
BaselineFile learned_from(std::span<const std::filesystem::path> recordings,
                          std::optional<std::uint16_t> port);

}  // namespace jsguard
