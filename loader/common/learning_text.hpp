// SPDX-License-Identifier: BSD-2-Clause
// Texts about learning: its progress, the traffic that it still needs, and its result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernel/jsguard.h"

namespace jsguard {

// The traffic that a pending baseline still needs: "12 of 100 transitions, 3 of 30 socket-seconds,
// 2 of 20 episodes (a connection in a phase)".
std::string lacking_text(const jsg_baseline& pending_baseline, std::uint32_t step_s);

// Why a learned baseline looks like an attack; empty if it does not.
std::string warnings_text(std::uint32_t warnings);

// "threshold 0.093 bits for occupancy, 0.061 bits for transitions"
std::string learned_thresholds_text(const jsg_service& service);

// "learning [#####.....] 30/60 s", at most width characters. If no bar fits, only the texts.
std::string learning_bar(std::uint32_t done_s, std::uint32_t total_s, std::size_t width);

}  // namespace jsguard
