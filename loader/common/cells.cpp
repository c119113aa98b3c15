// SPDX-License-Identifier: BSD-2-Clause
// Tables of names for the numbers of kernel/jsguard.h.
#include "common/cells.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

namespace jsguard {
namespace {

template <std::size_t count>
using Words = std::array<std::string_view, count>;

// The kernel's names without TCP_, in the order of enum jsg_tcp_state.
constexpr Words<JSG_STATES> states = {
    "NONE",  "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",    "TIME_WAIT",
    "CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",   "NEW_SYN_RECV", "BOUND_INACTIVE"};
constexpr Words<JSG_CELL_PHASES> phases = {"response moving", "response slow", "request moving",
                                           "request slow",    "closing",       "half closed",
                                           "waiting"};
constexpr Words<JSG_AGES> ages = {"<1s", "1-2s", "2-4s", "4-8s", "8-16s", "16-32s", "32s+"};

constexpr Words<JSG_SIGNALS> signals = {"transitions", "occupancy"};
constexpr Words<2> events = {"raise", "clear"};
constexpr Words<5> modes = {"free", "learning", "still learning", "monitoring", "leaving"};
constexpr Words<JSG_VERDICTS> verdicts = {"nothing seen", "not judged", "not enough traffic",
                                          "normal",       "moving",     "excess only",
                                          "no excess",    "unbalanced", "above"};
constexpr Words<3> alert_states = {"quiet", "confirming", "alert"};

// If a table has too few names, its last ones are empty.
static_assert(!states.back().empty() && !phases.back().empty() && !ages.back().empty());
static_assert(signals.size() == JSG_OCCUPANCY + 1 && events.size() == JSG_CLEAR + 1);
static_assert(modes.size() == JSG_LEAVING + 1 && !verdicts.back().empty());
static_assert(alert_states.size() == JSG_ALERT + 1);

template <std::size_t count>
std::string_view word(const Words<count>& words, std::size_t index) {
    return index < count ? words[index] : "unknown";
}

template <class Value, std::size_t count>
std::optional<Value> value_of(const Words<count>& words, std::string_view word) {
    const auto found = std::find(words.begin(), words.end(), word);
    if (found == words.end()) return {};
    return static_cast<Value>(found - words.begin());
}

using CellsByName = std::map<std::string, std::uint32_t, std::less<>>;

CellsByName cells_by_name(std::string (*name)(std::uint32_t), std::uint32_t cells) {
    CellsByName by_name;
    for (std::uint32_t cell = 0; cell < cells; cell++) by_name.emplace(name(cell), cell);
    return by_name;
}

std::optional<std::uint32_t> find(const CellsByName& cells, std::string_view name) {
    const auto found = cells.find(name);
    if (found == cells.end()) return {};
    return found->second;
}

}  // namespace

std::string transition_name(std::uint32_t cell) {
    return fmt::format("{}->{}", word(states, cell / JSG_STATES), states[cell % JSG_STATES]);
}

std::string occupancy_name(std::uint32_t cell) {
    if (cell == JSG_CELL_EXCESS) return "more open than expected";
    return fmt::format("{} {}", word(phases, cell / JSG_AGES), ages[cell % JSG_AGES]);
}

std::string cell_name(jsg_signal signal, std::uint32_t cell) {
    return signal == JSG_TRANSITIONS ? transition_name(cell) : occupancy_name(cell);
}

std::optional<std::uint32_t> transition_cell(std::string_view name) {
    static const CellsByName cells = cells_by_name(transition_name, JSG_TRANSITION_CELLS);
    return find(cells, name);
}

std::optional<std::uint32_t> occupancy_cell(std::string_view name) {
    static const CellsByName cells = cells_by_name(occupancy_name, JSG_PHASE_CELLS);
    return find(cells, name);
}

std::string_view state_name(std::uint32_t state) { return word(states, state); }
std::string_view phase_name(std::uint32_t phase) { return word(phases, phase); }
std::string_view age_name(std::uint32_t age) { return word(ages, age); }
std::string_view signal_name(jsg_signal signal) { return word(signals, signal); }
std::string_view event_name(jsg_event event) { return word(events, event); }
std::string_view mode_name(jsg_mode mode) { return word(modes, mode); }
std::string_view verdict_name(jsg_verdict verdict) { return word(verdicts, verdict); }
std::string_view alert_state_name(jsg_alert_state state) { return word(alert_states, state); }

std::optional<jsg_mode> mode_of(std::string_view word) { return value_of<jsg_mode>(modes, word); }
std::optional<jsg_verdict> verdict_of(std::string_view word) {
    return value_of<jsg_verdict>(verdicts, word);
}
std::optional<jsg_alert_state> alert_state_of(std::string_view word) {
    return value_of<jsg_alert_state>(alert_states, word);
}

}  // namespace jsguard
