// SPDX-License-Identifier: BSD-2-Clause
// What is said of learning: how far it is, what it lacks, and what came of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernel/jsguard.h"

namespace jsguard {

// What a baseline that is being learned still lacks: "12 of 100 transitions, 3 of 30
// socket-seconds, 2 of 20 episodes (a connection in a phase)".
std::string lacking_text(const jsg_baseline& pending_baseline, std::uint32_t step_s);

// Why what was learned may be an attack; empty if it does not look like one.
std::string warnings_text(std::uint32_t warnings);

// "threshold 0.093 bits for occupancy, 0.061 bits for transitions"
std::string learned_thresholds_text(const jsg_service& service);

// "learning [#####.....] 30/60 s", of width characters or fewer; no bar where none fits.
std::string learning_bar(std::uint32_t done_s, std::uint32_t total_s, std::size_t width);

}  // namespace jsguard
