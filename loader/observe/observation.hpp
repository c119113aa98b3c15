// SPDX-License-Identifier: BSD-2-Clause
// What a running detector shows at one moment: its services, their last windows, losses and cost.
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

// From the kernel's run statistics, which are kept while kernel.bpf_stats_enabled is 1.
struct ProgramCost {
    std::string name;
    std::uint64_t runs = 0;  // that were measured
    std::uint64_t run_ns = 0;
};

// Names of the programs in the kernel.
inline constexpr std::string_view transition_program = "jsg_transition";  // counts transitions
inline constexpr std::string_view preempted_program = "jsg_preempted";    // and what it misses
inline constexpr std::string_view destroy_program = "jsg_destroy";        // forgets sockets
inline constexpr std::string_view existing_program = "jsg_existing";  // finds sockets at the start
inline constexpr std::string_view start_program = "jsg_start";        // arms the timer

// Without CAP_SYS_ADMIN the kernel lists neither programs nor maps: then only the ticks are known.
struct Cost {
    jsg_ticks ticks{};
    std::vector<ProgramCost> programs;           // by name
    std::optional<std::uint64_t> map_bytes;      // memory of all its maps, pinned or not
    std::optional<std::uint64_t> uptime_ns;      // since its programs were loaded
    std::optional<std::uint64_t> start_unix_ms;  // when they were
    // Transitions of all ports that the kernel did not show to jsg_transition.
    std::optional<std::uint64_t> missed_runs;

    // None while no run of it was measured.
    const ProgramCost* measured(std::string_view program) const {
        const auto found =
            std::find_if(programs.begin(), programs.end(),
                         [&](const ProgramCost& one) { return one.name == program && one.runs; });
        return found == programs.end() ? nullptr : &*found;
    }

    // Time that measured transitions took, and the ends of their sockets.
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
    std::uint32_t place = 0;
    jsg_service service{};
    std::optional<jsg_window> window;              // the last one
    jsg_reading window_counts{};                   // that the window was judged by
    jsg_reading step_counts{};                     // of its last step
    jsg_reading total_counts{};                    // since the place was first used, modulo 2^32
    std::optional<jsg_baseline> baseline;          // in force
    std::optional<jsg_baseline> pending_baseline;  // being learned
};

struct Observation {
    std::string host;
    std::string kernel;
    std::uint64_t unix_ms = 0;     // when it was made
    std::uint64_t silent_ns = 0;   // since the detector's timer last ended a callback
    std::optional<bool> attended;  // a jsguard-load reads its alerts; none: that is not known
    bool stays = false;            // in the kernel without one
    jsg_config config{};
    jsg_stats stats{};
    Cost cost;
    std::vector<ObservedService> services;  // those with a port, by port
};

// A detector that has shown no life for so long was killed and left its maps behind.
inline std::uint64_t silent_too_long_ns(const jsg_config& config) {
    return 10 * second_ns + 2 * config.step_ns;
}

// Since the last callback ended; 0 if the clock was read before that.
inline std::uint64_t silence_ns(std::uint64_t last_ns, std::uint64_t now_ns) {
    return now_ns - std::min(now_ns, last_ns);
}

inline bool is_silent(std::uint64_t silent_ns, const jsg_config& config) {
    return silent_ns > silent_too_long_ns(config);
}
inline bool is_silent(const Observation& seen) { return is_silent(seen.silent_ns, seen.config); }

}  // namespace jsguard
