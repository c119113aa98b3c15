// SPDX-License-Identifier: BSD-2-Clause
// The alerts that a service's windows tell of and that are over.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernel/jsguard.h"

namespace jsguard {

struct PastAlert {
    jsg_signal signal = JSG_TRANSITIONS;
    std::uint64_t raised_unix_ms = 0;  // end of the first window with it up
    bool is_older = false;             // that is the first of all: it was raised before
    std::uint64_t cleared_unix_ms = 0;
    std::uint64_t duration_ns = 0;    // since it was raised, until it was cleared; 0: is_older
    std::uint32_t peak_nanobits = 0;  // of the windows that are over, as the alert itself tells it
};

// windows: of one service, oldest first. The alert that cleared last comes first.
std::vector<PastAlert> past_alerts(std::span<const jsg_window> windows);

}  // namespace jsguard
