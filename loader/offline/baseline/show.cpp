// SPDX-License-Identifier: BSD-2-Clause
// Tables of a baseline's counts, rates, spread and largest cells.
#include "offline/baseline/show.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "common/baseline_json.hpp"
#include "common/cells.hpp"
#include "common/error.hpp"
#include "common/json_fields.hpp"
#include "common/quantity_text.hpp"
#include "kernel/spread.h"
#include "offline/baseline/distribution.hpp"

namespace jsguard {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t cells_shown = 8;
constexpr std::uint32_t measures_schema = 2;
constexpr std::array signals = {JSG_TRANSITIONS, JSG_OCCUPANCY};

const std::string& known(const std::string& text) {
    static const std::string unknown = "unknown";
    return text.empty() ? unknown : text;
}

std::string spread_text(const jsg_baseline& baseline) {
    std::string text =
        fmt::format("  {:<26}{:>8}{:>12}{:>12}{:>12}{:>16}\n", "divergence while learning",
                    "windows", "mean", "deviation", "maximum", "auto threshold");
    for (const jsg_signal signal : signals) {
        const jsg_spread& spread = baseline.spread[signal];
        text += fmt::format("    {:<24}{:>8}{:>12.6f}{:>12.6f}{:>12.6f}{:>16.6f}{}\n",
                            signal_name(signal), spread.windows, bits_of(spread.mean_nanobits),
                            bits_of(spread.deviation_nanobits), bits_of(spread.maximum_nanobits),
                            bits_of(jsg_threshold_of_spread(&spread)),
                            spread.windows < JSG_SPREAD_WINDOWS ? " (default)" : "");
    }
    return text;
}

std::string cells_text(const Distribution& distribution) {
    const auto cells = cells_by_count(distribution);
    std::string text = fmt::format(
        "  {}: {} {}, entropy {:.6f} bits\n", signal_name(distribution.signal), cells.size(),
        cells.size() == 1 ? "cell" : "cells", bits_of(entropy_nanobits(distribution)));
    const std::size_t shown = std::min(cells.size(), cells_shown);
    const auto line = [&](const std::string& name, std::uint64_t count, std::uint64_t ppb) {
        text += fmt::format("    {:<32}{:>12}{:>9.2f} %\n", name, count, percent(ppb));
    };
    for (std::size_t i = 0; i < shown; ++i)
        line(cell_name(distribution.signal, cells[i].cell), cells[i].count, cells[i].ppb);
    if (shown == cells.size()) return text;
    std::uint64_t count = 0;
    std::uint64_t ppb = 0;
    for (std::size_t i = shown; i < cells.size(); ++i) {
        count += cells[i].count;
        ppb += cells[i].ppb;
    }
    line(fmt::format("{} more", cells.size() - shown), count, ppb);
    return text;
}

std::string baseline_text(std::uint16_t port, const jsg_baseline& baseline, std::uint32_t step_s) {
    std::string text = fmt::format("\nport {}: learned for {} s", port, baseline.learned_s);
    if (baseline.queue_full_s)
        text += fmt::format(", in {} of them an accept queue was full", baseline.queue_full_s);
    text += "\n";
    const auto line = [&](const char* name, std::uint64_t number, const std::string& rate) {
        text += fmt::format("  {:<26}{:>12}{}\n", name, number, rate);
    };
    const auto a_second = [](std::uint32_t milli) {
        return fmt::format("{:>14.3f} a second", thousandths(milli));
    };
    line("transitions", baseline.transitions, a_second(transitions_per_kilosecond(baseline)));
    line("exchanges", baseline.exchanges, a_second(exchanges_per_kilosecond(baseline)));
    line("socket-seconds", socket_seconds(baseline),
         fmt::format("{:>14.3f} open on average, not idle",
                     thousandths(open_millisockets(baseline))));
    line("episodes", episodes(baseline, step_s), "");
    text += spread_text(baseline);
    for (const jsg_signal signal : signals) text += cells_text(distribution_of(baseline, signal));
    return text;
}

ordered_json distribution_json(const Distribution& distribution) {
    ordered_json cells = ordered_json::array();
    for (const CellCount& one : cells_by_count(distribution))
        cells.push_back({{"cell", cell_name(distribution.signal, one.cell)},
                         {"count", one.count},
                         {"share", bits_of(one.ppb)}});
    return {{"entropy_bits", bits_of(entropy_nanobits(distribution))}, {"cells", cells}};
}

ordered_json spread_measures(const jsg_spread& spread) {
    ordered_json measures = spread_to_json(spread);
    measures["auto_threshold_bits"] = bits_of(jsg_threshold_of_spread(&spread));
    return measures;
}

ordered_json baseline_json(const jsg_baseline& baseline, std::uint32_t step_s) {
    ordered_json measures = {
        {"learned_s", baseline.learned_s},
        {"accept_queue_full_s", baseline.queue_full_s},
        {"transitions", baseline.transitions},
        {"transitions_per_s", thousandths(transitions_per_kilosecond(baseline))},
        {"exchanges", baseline.exchanges},
        {"exchanges_per_s", thousandths(exchanges_per_kilosecond(baseline))},
        {"socket_seconds", socket_seconds(baseline)},
        {"open_sockets", thousandths(open_millisockets(baseline))},
        {"episodes", episodes(baseline, step_s)}};
    for (const jsg_signal signal : signals) {
        ordered_json one = distribution_json(distribution_of(baseline, signal));
        one["divergence_while_learning"] = spread_measures(baseline.spread[signal]);
        measures[std::string(signal_name(signal)) + "_distribution"] = one;
    }
    return measures;
}

}  // namespace

BaselineFile only_port(const BaselineFile& file, std::optional<std::uint16_t> port,
                       const std::string& name) {
    if (!port) return file;
    const auto found = file.baselines.find(*port);
    if (found == file.baselines.end()) {
        std::vector<std::uint16_t> ports;
        for (const auto& one : file.baselines) ports.push_back(one.first);
        throw Error(
            ExitCode::usage,
            fmt::format("{} has no baseline of port {}; it has {}", printable(name), *port,
                        ports.empty() ? "none" : fmt::format("{}", fmt::join(ports, ", "))));
    }
    return {file.origin, {*found}};
}

std::string origin_text(const BaselineOrigin& origin) {
    return fmt::format("{}, kernel {}, {}, steps of {} s", printable(known(origin.host)),
                       printable(known(origin.kernel)),
                       origin.unix_ms ? utc_timestamp(origin.unix_ms) : "at an unknown time",
                       origin.step_s);
}

std::string baselines_text(const BaselineFile& file) {
    std::string text = "learned on " + origin_text(file.origin) + "\n";
    for (const auto& [port, baseline] : file.baselines)
        text += baseline_text(port, baseline, file.origin.step_s);
    return text;
}

std::string baselines_measures_json(const BaselineFile& file) {
    ordered_json services = ordered_json::object();
    for (const auto& [port, baseline] : file.baselines)
        services[std::to_string(port)] = baseline_json(baseline, file.origin.step_s);
    ordered_json time;  // null: unknown
    if (file.origin.unix_ms) time = utc_timestamp(file.origin.unix_ms);
    ordered_json all = {{"schema", measures_schema},    {"host", file.origin.host},
                        {"kernel", file.origin.kernel}, {"time", time},
                        {"step_s", file.origin.step_s}, {"services", services}};
    return json_text(all, 2) + "\n";
}

}  // namespace jsguard
