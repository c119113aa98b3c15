// SPDX-License-Identifier: BSD-2-Clause
// Reads and writes the fields of a baseline by their names in files.
#include "common/baseline_json.hpp"

#include <fmt/format.h>

#include "common/baseline_file.hpp"
#include "common/cells.hpp"
#include "common/json_fields.hpp"
#include "common/learning_text.hpp"
#include "kernel/spread.h"

namespace jsguard {
namespace {

using nlohmann::ordered_json;

constexpr const char* spread_key = "divergence_while_learning";
constexpr const char* transitions_key = "transition_counts";
constexpr const char* occupancy_key = "occupancy_socket_seconds";
constexpr const char* transitions_total_key = "transitions";
constexpr const char* socket_seconds_total_key = "socket_seconds";
constexpr jsg_signal both_signals[] = {JSG_TRANSITIONS, JSG_OCCUPANCY};

const char* key_of(jsg_signal signal) { return signal_name(signal).data(); }

// The sums remain 0, because learning does not continue from a baseline file.
jsg_spread read_spread(const ordered_json& object) {
    jsg_spread spread{};
    spread.windows = read_count(member(object, "windows"), "windows");
    spread.mean_nanobits = read_bits(object, "mean_bits");
    spread.deviation_nanobits = read_bits(object, "deviation_bits");
    spread.maximum_nanobits = read_bits(object, "maximum_bits");
    return spread;
}

// Refuses a spread that no windows can have: mean, deviation and maximum that contradict each
// other, or more windows than seconds.
void check_spread(const jsg_spread& spread, std::uint32_t learned_s) {
    // The kernel computes mean and deviation from millionths of a bit.
    constexpr std::uint64_t rounding = JSG_NANO_IN_MICRO;
    const std::uint64_t mean = spread.mean_nanobits, deviation = spread.deviation_nanobits,
                        maximum = spread.maximum_nanobits;
    if (spread.windows > learned_s) refuse("\"windows\" is above \"learned_s\"");
    if (spread.windows == 0 && (mean || deviation || maximum))
        refuse("\"windows\" is 0, but there is a spread of them");
    if (mean > maximum + rounding) refuse("\"mean_bits\" is above \"maximum_bits\"");
    // Each square is at most its value times the maximum. So the mean of the squares is at most the
    // mean times the maximum.
    if (deviation * deviation + mean * mean > (mean + rounding) * (maximum + rounding))
        refuse("\"deviation_bits\" is above what \"mean_bits\" and \"maximum_bits\" allow");
}

void add_totals(jsg_baseline& baseline) {
    const std::span<const __u32> occupancy(baseline.occupancy_socket_seconds);
    baseline.transitions = total(baseline.transition_counts, transitions_key);
    total(occupancy, occupancy_key);  // judging with waiting adds both parts up
    baseline.judged_socket_seconds = total(occupancy.first(JSG_JUDGED_CELLS), occupancy_key);
    baseline.waiting_socket_seconds = total(occupancy.subspan(JSG_JUDGED_CELLS), occupancy_key);
}

// A total in a file is for people. It must be equal to the sum of the counts.
void check_total(const ordered_json& object, const char* key, std::uint64_t counted) {
    if (!object.contains(key)) return;  // not in the files of earlier versions
    if (const std::uint32_t given = read_count(object[key], key); given != counted)
        refuse(fmt::format("\"{}\" is {}, but the counts add up to {}", key, given, counted));
}

jsg_baseline read_baseline(const ordered_json& object) {
    jsg_baseline baseline{};
    baseline.learned_s = read_count(member(object, "learned_s"), "learned_s");
    baseline.exchanges = read_count(member(object, "exchanges"), "exchanges");
    // Not in the files of earlier versions.
    if (object.contains("accept_queue_full_s"))
        baseline.queue_full_s = read_count(object["accept_queue_full_s"], "accept_queue_full_s");
    if (object.contains(spread_key)) {
        const ordered_json& spread = object_member(object, spread_key);
        for (const jsg_signal signal : both_signals)
            baseline.spread[signal] = read_spread(object_member(spread, key_of(signal)));
    }
    read_cells(object_member(object, transitions_key), transition_cell, baseline.transition_counts);
    read_cells(object_member(object, occupancy_key), occupancy_cell,
               baseline.occupancy_socket_seconds);
    add_totals(baseline);
    check_total(object, transitions_total_key, baseline.transitions);
    check_total(object, socket_seconds_total_key, socket_seconds(baseline));
    if (baseline.queue_full_s > baseline.learned_s)
        refuse("\"accept_queue_full_s\" is above \"learned_s\"");
    return baseline;
}

}  // namespace

void check_suffices(const jsg_baseline& baseline, std::uint32_t step_s) {
    if (!jsg_baseline_suffices(&baseline, step_s))
        refuse(fmt::format("it has too little traffic to judge by: {}",
                           lacking_text(baseline, step_s)));
}

ordered_json spread_to_json(const jsg_spread& spread) {
    return {{"windows", spread.windows},
            {"mean_bits", bits_of(spread.mean_nanobits)},
            {"deviation_bits", bits_of(spread.deviation_nanobits)},
            {"maximum_bits", bits_of(spread.maximum_nanobits)}};
}

ordered_json baseline_to_json(const jsg_baseline& baseline) {
    ordered_json spread = ordered_json::object();
    for (const jsg_signal signal : both_signals)
        spread[key_of(signal)] = spread_to_json(baseline.spread[signal]);
    return {{"learned_s", baseline.learned_s},
            {"accept_queue_full_s", baseline.queue_full_s},
            {"exchanges", baseline.exchanges},
            {transitions_total_key, baseline.transitions},
            {socket_seconds_total_key, socket_seconds(baseline)},
            {spread_key, spread},
            {transitions_key, cells_json(transition_name, baseline.transition_counts)},
            {occupancy_key, cells_json(occupancy_name, baseline.occupancy_socket_seconds)}};
}

jsg_baseline baseline_from_json(const ordered_json& object) {
    const jsg_baseline baseline = read_baseline(object);
    if (baseline.learned_s == 0) refuse("\"learned_s\" is 0");
    for (const jsg_spread& spread : baseline.spread) check_spread(spread, baseline.learned_s);
    return baseline;
}

ordered_json pending_baseline_to_json(const jsg_baseline& pending_baseline) {
    ordered_json object = baseline_to_json(pending_baseline);
    for (const jsg_signal signal : both_signals) {
        ordered_json& spread = object[spread_key][key_of(signal)];
        spread["sum_microbits"] = pending_baseline.spread[signal].sum_microbits;
        spread["sum_of_squares"] = pending_baseline.spread[signal].sum_of_squares;
    }
    return object;
}

jsg_baseline pending_baseline_from_json(const ordered_json& object) {
    jsg_baseline pending_baseline = read_baseline(object);
    const ordered_json& spread = object_member(object, spread_key);
    for (const jsg_signal signal : both_signals) {
        const ordered_json& one = object_member(spread, key_of(signal));
        pending_baseline.spread[signal].sum_microbits = read_large_count(one, "sum_microbits");
        pending_baseline.spread[signal].sum_of_squares = read_large_count(one, "sum_of_squares");
    }
    return pending_baseline;
}

}  // namespace jsguard
