// SPDX-License-Identifier: BSD-2-Clause
// The state of a running detector at one moment: its services, their last windows, losses and cost.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clocks.hpp"
#include "kernel/jsguard.h"

namespace jsguard {

// Run statistics of one program. The kernel keeps them while kernel.bpf_stats_enabled is 1.
struct ProgramCost {
    std::string name;
    std::uint64_t runs = 0;  // measured runs
    std::uint64_t run_ns = 0;
};

// Names of the programs in the kernel.
inline constexpr std::string_view transition_program = "jsg_transition";  // counts transitions
inline constexpr std::string_view preempted_program = "jsg_preempted";    // counts its misses
inline constexpr std::string_view destroy_program = "jsg_destroy";        // forgets sockets
inline constexpr std::string_view existing_program = "jsg_existing";  // finds sockets at the start
inline constexpr std::string_view start_program = "jsg_start";        // arms the timer

// The kernel lists programs and maps only to CAP_SYS_ADMIN. Without it only the ticks are known.
struct Cost {
    jsg_ticks ticks{};
    std::vector<ProgramCost> programs;           // by name
    std::optional<std::uint64_t> map_bytes;      // memory of all maps, pinned or not
    std::optional<std::uint64_t> uptime_ns;      // since the programs were loaded
    std::optional<std::uint64_t> start_unix_ms;  // when the programs were loaded
    // Runs of jsg_transition that the kernel skipped, for all ports.
    std::optional<std::uint64_t> missed_runs;

    // Null if no run of the program was measured.
    const ProgramCost* measured(std::string_view program) const {
        const auto found =
            std::find_if(programs.begin(), programs.end(),
                         [&](const ProgramCost& one) { return one.name == program && one.runs; });
        return found == programs.end() ? nullptr : &*found;
    }

    // Time of the measured runs of all programs that run for transitions and when sockets end.
    std::uint64_t transition_run_ns() const {
        std::uint64_t sum = 0;
        for (const std::string_view name :
             {transition_program, preempted_program, destroy_program}) {
            if (const ProgramCost* program = measured(name)) sum += program->run_ns;
        }
        return sum;
    }
};

struct ObservedService {
    std::uint32_t service_id = 0;
    jsg_service service{};
    std::optional<jsg_window> window;      // the last closed one
    jsg_reading window_counts{};           // counts of the window
    jsg_reading step_counts{};             // counts of the window's last step
    jsg_reading total_counts{};            // since the service entry was first used, modulo 2^32
    std::optional<jsg_baseline> baseline;  // in force
    std::optional<jsg_baseline> pending_baseline;  // being learned
};

struct Observation {
    std::string host;
    std::string kernel;
    std::uint64_t unix_ms = 0;     // when the observation was made
    std::uint64_t silent_ns = 0;   // since the end of the last tick
    std::optional<bool> attended;  // a jsguard-load reads its alerts; none: unknown
    bool is_persisted = false;     // remains in the kernel when its loader ends (--persist)
    jsg_config config{};
    jsg_stats stats{};
    Cost cost;
    std::vector<ObservedService> services;  // sorted by port
};

// A detector that has not ticked for longer than this was killed and left its maps behind.
inline std::uint64_t silent_too_long_ns(const jsg_config& config) {
    return 10 * second_ns + 2 * config.step_ns;
}

// Time since the last tick ended. 0 if now_ns was read before the tick ended.
inline std::uint64_t silence_ns(std::uint64_t last_ns, std::uint64_t now_ns) {
    return now_ns - std::min(now_ns, last_ns);
}

inline bool is_silent(std::uint64_t silent_ns, const jsg_config& config) {
    return silent_ns > silent_too_long_ns(config);
}

// Whether the detector has ended and left its maps behind: it does not tick, or its loader is gone
// and it was not persisted. The second shows at once.
inline bool has_ended(std::optional<bool> attended, bool is_persisted) {
    return attended == false && !is_persisted;
}
inline bool has_ended(const Observation& seen) {
    return has_ended(seen.attended, seen.is_persisted) || is_silent(seen.silent_ns, seen.config);
}

}  // namespace jsguard
