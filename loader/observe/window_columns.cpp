// SPDX-License-Identifier: BSD-2-Clause
// Windows as rows of a table: one list of columns for CSV, JSON and the description of the columns.
#include "observe/window_columns.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "common/cells.hpp"
#include "common/json_fields.hpp"
#include "common/quantity_text.hpp"

namespace jsguard {
namespace {

template <auto field>
Cell whole(const ExportedWindow& row) {
    return std::uint64_t{row.window.*field};
}

template <auto field, int decimals>
Cell decimal(const ExportedWindow& row) {
    return Decimal{row.window.*field, decimals};
}

template <auto field>
Cell flag(const ExportedWindow& row) {
    return row.window.*field != 0;
}

template <auto field, auto name_of>
Cell word(const ExportedWindow& row) {
    return std::string(name_of(row.window.*field));
}

template <jsg_signal signal, auto field>
Cell signal_bits(const ExportedWindow& row) {
    return Decimal{row.window.signal[signal].*field, nano};
}

template <jsg_signal signal, auto field, auto name_of>
Cell signal_word(const ExportedWindow& row) {
    return std::string(name_of(row.window.signal[signal].*field));
}

Cell end_time(const ExportedWindow& row) { return utc_timestamp(row.window.end_unix_ms); }

template <jsg_signal signal>
Cell threshold(const ExportedWindow& row) {
    if (!row.threshold_nanobits[signal]) return {};
    return Decimal{row.threshold_nanobits[signal], nano};
}

Cell map_memory(const ExportedWindow& row) {
    if (!row.cost || !row.cost->map_bytes) return {};
    return *row.cost->map_bytes;
}

Cell uptime(const ExportedWindow& row) {
    if (!row.cost || !row.cost->uptime_ns) return {};
    return Decimal{*row.cost->uptime_ns, nano};
}

Cell ticks(const ExportedWindow& row) {
    if (!row.cost) return {};
    return std::uint64_t{row.cost->ticks.count};
}

template <auto field>
Cell tick_seconds(const ExportedWindow& row) {
    if (!row.cost) return {};
    return Decimal{row.cost->ticks.*field, nano};
}

const ProgramCost* find(const ExportedWindow& row, std::string_view program) {
    return row.cost ? row.cost->measured(program) : nullptr;
}

template <const std::string_view& program>
Cell runs(const ExportedWindow& row) {
    const ProgramCost* found = find(row, program);
    if (!found) return {};
    return found->runs;
}

template <const std::string_view& program>
Cell run_seconds(const ExportedWindow& row) {
    const ProgramCost* found = find(row, program);
    if (!found) return {};
    return Decimal{found->run_ns, nano};
}

using W = jsg_window;
using S = jsg_window_signal;

constexpr WindowColumn columns[] = {
    {"time", "UTC", "when the window ended", end_time},
    {"unix_ms", "ms", "the same, since 1970", whole<&W::end_unix_ms>},
    {"end_ns", "ns", "the same, by CLOCK_MONOTONIC", whole<&W::end_ns>},
    {"port", "port", "the service", whole<&W::port>},
    {"sequence", "number", "of the window, from 1 for its service, one a step",
     whole<&W::sequence>},
    {"mode", "word", "learning, still learning (not enough traffic so far), monitoring",
     word<&W::mode, mode_name>},
    {"transitions", "count", "transitions in the window", whole<&W::transitions>},
    {"exchanges", "count", "connections accepted and answers seen in the window",
     whole<&W::exchanges>},
    {"sockets", "count", "live accepted connections at the last sample", whole<&W::sockets>},
    {"idle_sockets", "count", "sockets in phase idle", whole<&W::idle_sockets>},
    {"waiting_sockets", "count", "sockets in phase waiting", whole<&W::waiting_sockets>},
    {"open_requests", "count", "sockets in phase request", whole<&W::open_requests>},
    {"full_queues", "count", "listeners whose accept queue was full at the last sample",
     whole<&W::full_queues>},
    {"transition_js_bits", "bits", "divergence of the transitions from the baseline",
     signal_bits<JSG_TRANSITIONS, &S::js_nanobits>},
    {"transition_threshold_bits", "bits", "threshold in force", threshold<JSG_TRANSITIONS>},
    {"transition_significance_bits", "bits", "significance bound",
     signal_bits<JSG_TRANSITIONS, &S::significance_nanobits>},
    {"transition_kl_bits", "bits", "Kullback-Leibler divergence, of the window from the baseline",
     signal_bits<JSG_TRANSITIONS, &S::kl_nanobits>},
    {"transition_verdict", "word", "what was found",
     signal_word<JSG_TRANSITIONS, &S::verdict, verdict_name>},
    {"transition_alert", "word", "quiet, confirming, alert",
     signal_word<JSG_TRANSITIONS, &S::alert, alert_state_name>},
    {"occupancy_js_bits", "bits", "divergence of the occupancy from the baseline",
     signal_bits<JSG_OCCUPANCY, &S::js_nanobits>},
    {"occupancy_threshold_bits", "bits", "threshold in force", threshold<JSG_OCCUPANCY>},
    {"occupancy_significance_bits", "bits", "significance bound",
     signal_bits<JSG_OCCUPANCY, &S::significance_nanobits>},
    {"occupancy_kl_bits", "bits", "Kullback-Leibler divergence, of the window from the baseline",
     signal_bits<JSG_OCCUPANCY, &S::kl_nanobits>},
    {"occupancy_verdict", "word", "what was found",
     signal_word<JSG_OCCUPANCY, &S::verdict, verdict_name>},
    {"occupancy_alert", "word", "quiet, confirming, alert",
     signal_word<JSG_OCCUPANCY, &S::alert, alert_state_name>},
    {"with_waiting", "true or false", "whether the occupancy figures include the phase waiting",
     flag<&W::with_waiting>},
    {"open_sockets", "sockets", "mean number that is judged, of the window",
     decimal<&W::open_millisockets, milli>},
    {"expected_sockets", "sockets", "mean number expected at this rate of exchanges",
     decimal<&W::expected_millisockets, milli>},
    {"excess_sockets", "sockets", "open sockets above twice the expected number, or 0",
     decimal<&W::excess_millisockets, milli>},
    {"stalled_sockets", "sockets", "the stalled ones among the open sockets",
     decimal<&W::stalled_millisockets, milli>},
    {"stalled_excess_sockets", "sockets", "stalled sockets above twice their expected number, or 0",
     decimal<&W::stalled_excess_millisockets, milli>},
    {"transition_entropy_bits", "bits", "Shannon entropy of the cells (old state, new state)",
     decimal<&W::transition_entropy_nanobits, nano>},
    {"state_entropy_bits", "bits", "Shannon entropy of the states entered",
     decimal<&W::state_entropy_nanobits, nano>},
    {"state_entropy_trend_bits", "bits", "its mean over the last 16 windows",
     decimal<&W::state_entropy_trend_nanobits, nano>},
    {"sampled_ppm", "ppm", "share of the live sockets that the last step sampled, in millionths",
     whole<&W::sampled_ppm>},
    {"sample_weight", "count",
     "sampling weight: the number of sockets that each sampled socket represents",
     whole<&W::sample_weight>},
    {"uptime_s", "s", "since the detector was loaded", uptime},
    {"transition_runs", "count", "measured runs of jsg_transition, which counts transitions",
     runs<transition_program>},
    {"transition_run_s", "s", "CPU time of these runs", run_seconds<transition_program>},
    {"destroy_runs", "count", "measured runs of jsg_destroy, which forgets sockets",
     runs<destroy_program>},
    {"destroy_run_s", "s", "CPU time of these runs", run_seconds<destroy_program>},
    {"existing_runs", "count", "measured runs of jsg_existing, which finds sockets at the start",
     runs<existing_program>},
    {"existing_run_s", "s", "CPU time of these runs", run_seconds<existing_program>},
    {"start_runs", "count", "measured runs of jsg_start, which arms the timer",
     runs<start_program>},
    {"start_run_s", "s", "CPU time of these runs", run_seconds<start_program>},
    {"ticks", "count", "callbacks of the timer since the start, 64 a step", ticks},
    {"ticks_total_s", "s", "time that they took in all", tick_seconds<&jsg_ticks::total_ns>},
    {"ticks_longest_s", "s", "the longest of them", tick_seconds<&jsg_ticks::longest_ns>},
    {"map_memory_bytes", "bytes", "memory of all the detector's maps", map_memory},
};
static_assert(JSG_TREND_WINDOWS == 16, "the meaning of state_entropy_trend_bits names 16");

std::string text_of(std::monostate) { return {}; }
std::string text_of(std::uint64_t number) { return std::to_string(number); }
std::string text_of(bool flag) { return flag ? "true" : "false"; }
std::string text_of(const std::string& text) { return text; }

std::string csv_cell(const Cell& cell) {
    return csv_field(std::visit([](const auto& value) { return text_of(value); }, cell));
}

std::string json_cell(const Cell& cell) {
    if (std::holds_alternative<std::monostate>(cell)) return "null";
    if (const auto* text = std::get_if<std::string>(&cell)) return json_text(*text);
    // Numbers, true and false are the same text in JSON as in CSV.
    return std::visit([](const auto& value) { return text_of(value); }, cell);
}

template <class Make>
std::string comma_separated(Make make) {
    std::string line;
    for (const WindowColumn& column : columns) {
        if (&column != std::begin(columns)) line += ',';
        line += make(column);
    }
    return line;
}

}  // namespace

std::span<const WindowColumn> window_columns() { return columns; }

std::string columns_text() {
    std::size_t name_width = 0, unit_width = 0;
    for (const WindowColumn& column : columns) {
        name_width = std::max(name_width, column.name.size());
        unit_width = std::max(unit_width, column.unit.size());
    }
    std::string text;
    for (const WindowColumn& column : columns)
        text += fmt::format("{:<{}}  {:<{}}  {}\n", column.name, name_width, column.unit,
                            unit_width, column.meaning);
    return text;
}

std::string csv_field(std::string_view text) {
    if (text.find_first_of("\",\r\n") == std::string_view::npos) return std::string(text);
    std::string quoted = "\"";
    for (const char c : text) {
        if (c == '"') quoted += '"';
        quoted += c;
    }
    return quoted + '"';
}

std::string csv_header() {
    return comma_separated([](const WindowColumn& column) { return csv_field(column.name); });
}

std::string csv_row(const ExportedWindow& row) {
    return comma_separated([&](const WindowColumn& column) { return csv_cell(column.cell(row)); });
}

std::string json_row(const ExportedWindow& row) {
    return "{" + comma_separated([&](const WindowColumn& column) {
               return json_text(std::string(column.name)) + ":" + json_cell(column.cell(row));
           }) +
           "}";
}

}  // namespace jsguard
