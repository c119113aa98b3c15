// SPDX-License-Identifier: BSD-2-Clause
// The counters of what a detector lost or left out, with their names and their texts for people.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "kernel/jsguard.h"

namespace jsguard {

struct Loss {
    __u64 jsg_stats::*count;
    std::string_view name;  // of the field in jsg_stats
    std::string_view one;   // text for a count of 1
    std::string_view many;  // text for other counts
};

constexpr std::array losses = {
    Loss{&jsg_stats::alerts_lost, "alerts_lost", "alert (the ring buffer was full)",
         "alerts (the ring buffer was full)"},
    Loss{&jsg_stats::windows_lost, "windows_lost", "window record", "window records"},
    Loss{&jsg_stats::services_refused, "services_refused",
         "port not monitored at first (no service entry was free)",
         "ports not monitored at first (no service entry was free)"},
    Loss{&jsg_stats::sockets_untracked, "sockets_untracked",
         "socket never sampled (no slot was free)", "sockets never sampled (no slot was free)"},
    Loss{&jsg_stats::unknown_states, "unknown_states", "transition of an unknown state",
         "transitions of unknown states"},
    Loss{&jsg_stats::sources_lost, "sources_lost", "source or end of a connection not counted",
         "sources or ends of connections not counted"},
    Loss{&jsg_stats::baselines_lost, "baselines_lost",
         "baseline of a port that lost its service entry (the map was full)",
         "baselines of ports that lost their service entries (the map was full)"},
    Loss{&jsg_stats::steps_late, "steps_late", "step that came late", "steps that came late"},
};
static_assert(sizeof(jsg_stats) == (losses.size() + 5) * sizeof(__u64),
              "all counters of jsg_stats are losses, except windows, transitions, "
              "transitions_late, alerts and "
              "not_enough_traffic");

// "1 window record, ..., 2 steps that came late"; empty if nothing was lost.
std::string losses_text(const jsg_stats& stats);
// "nothing lost", or "lost or left out: " and losses_text().
std::string lost_text(const jsg_stats& stats);

}  // namespace jsguard
