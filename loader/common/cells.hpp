// SPDX-License-Identifier: BSD-2-Clause
// Names for the numbers of kernel/jsguard.h: cells, states, phases, modes, verdicts and others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "kernel/decision.h"
#include "kernel/jsguard.h"

namespace jsguard {

// "ESTABLISHED->FIN_WAIT1"
std::string transition_name(std::uint32_t cell);
// "request slow 8-16s"; "more open than expected" for JSG_CELL_EXCESS
std::string occupancy_name(std::uint32_t cell);
std::string cell_name(jsg_signal signal, std::uint32_t cell);

// The cell with that name. Files have no counts for the excess cell, so its name is unknown here.
std::optional<std::uint32_t> transition_cell(std::string_view name);
std::optional<std::uint32_t> occupancy_cell(std::string_view name);

// A division gives the double that is nearest to the decimal number in a map dump. So JSON shows no
// rounding noise.
inline double bits_of(std::uint64_t nanobits) { return static_cast<double>(nanobits) / JSG_NANO; }
inline double thousandths(std::uint64_t number) { return static_cast<double>(number) / JSG_MILLI; }

// Whether the window has a divergence. Without one, its divergence fields are 0 and have no
// meaning.
inline bool has_divergence(const jsg_window_signal& signal) {
    return signal.verdict != JSG_NOTHING_SEEN && signal.verdict != JSG_NOT_JUDGED;
}

// Names of values; "unknown" for a value that this build does not know.
std::string_view state_name(std::uint32_t state);
std::string_view phase_name(std::uint32_t phase);  // only of phases that have cells
std::string_view age_name(std::uint32_t age);
std::string_view signal_name(jsg_signal signal);
std::string_view event_name(jsg_event event);
std::string_view mode_name(jsg_mode mode);
std::string_view verdict_name(jsg_verdict verdict);
std::string_view alert_state_name(jsg_alert_state state);

// The value with that name; none for an unknown name.
std::optional<jsg_mode> mode_of(std::string_view word);
std::optional<jsg_verdict> verdict_of(std::string_view word);
std::optional<jsg_alert_state> alert_state_of(std::string_view word);

}  // namespace jsguard
