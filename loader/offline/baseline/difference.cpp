// SPDX-License-Identifier: BSD-2-Clause
// Compares two baseline files with the detector's own arithmetic.
#include "offline/baseline/difference.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/cells.hpp"
#include "common/error.hpp"
#include "common/quantity_text.hpp"
#include "kernel/decision.h"

namespace jsguard {
namespace {

constexpr std::size_t cells_shown = JSG_TOP_CELLS;

BaselineDifference compare(std::uint16_t port, const jsg_baseline& a, const jsg_baseline& b) {
    BaselineDifference found;
    found.port = port;
    found.a = a;
    found.b = b;
    found.transitions =
        divergence(distribution_of(b, JSG_TRANSITIONS), distribution_of(a, JSG_TRANSITIONS));
    found.occupancy =
        divergence(distribution_of(b, JSG_OCCUPANCY), distribution_of(a, JSG_OCCUPANCY));
    found.expected_millisockets = jsg_expected_milli(
        open_millisockets(a), exchanges_per_kilosecond(a), exchanges_per_kilosecond(b));
    return found;
}

std::string rates_text(const BaselineDifference& difference) {
    const jsg_baseline& a = difference.a;
    const jsg_baseline& b = difference.b;
    std::string text = fmt::format("  {:<36}{:>12}{:>12}\n", "", "A", "B");
    const auto line = [&](const char* name, std::uint32_t of_a, std::uint32_t of_b) {
        text +=
            fmt::format("  {:<36}{:>12.3f}{:>12.3f}\n", name, thousandths(of_a), thousandths(of_b));
    };
    line("transitions a second", transitions_per_kilosecond(a), transitions_per_kilosecond(b));
    line("exchanges a second", exchanges_per_kilosecond(a), exchanges_per_kilosecond(b));
    line("sockets open, not idle", open_millisockets(a), open_millisockets(b));
    line("A's expectation at these exchanges", open_millisockets(a),
         difference.expected_millisockets);
    return text;
}

std::string cells_text(jsg_signal signal, const Divergence& divergence) {
    if (divergence.cells.empty()) return "";
    std::string text =
        fmt::format("  {:<36}{:>12}{:>12}{:>12}\n", signal_name(signal), "A", "B", "bits");
    const std::size_t shown = std::min(divergence.cells.size(), cells_shown);
    for (std::size_t i = 0; i < shown; ++i) {
        const jsg_top_cell& cell = divergence.cells[i];
        text += fmt::format("    {:<34}{:>10.2f} %{:>10.2f} %{:>12.6f}\n",
                            cell_name(signal, cell.cell), percent(cell.baseline_ppb),
                            percent(cell.window_ppb), bits_of(cell.nanobits));
    }
    return text;
}

std::string only_text(const std::vector<std::uint16_t>& ports, const char* which) {
    if (ports.empty()) return "";
    return fmt::format("\nonly {} has {}\n", which, ports_text(ports));
}

}  // namespace

FileDifference difference_of(const Baselines& a, const Baselines& b) {
    FileDifference all;
    for (const auto& [port, baseline] : a) {
        const auto other = b.find(port);
        if (other == b.end())
            all.only_a.push_back(port);
        else
            all.ports.push_back(compare(port, baseline, other->second));
    }
    for (const auto& [port, baseline] : b) {
        if (!a.count(port)) all.only_b.push_back(port);
    }
    return all;
}

std::uint32_t largest_nanobits(const FileDifference& difference) {
    std::uint32_t largest = 0;
    for (const BaselineDifference& port : difference.ports)
        largest = std::max({largest, port.transitions.js_nanobits, port.occupancy.js_nanobits});
    return largest;
}

std::string difference_text(const FileDifference& difference, const std::string& name_a,
                            const std::string& name_b) {
    std::string text = fmt::format("A: {}\nB: {}\n", printable(name_a), printable(name_b));
    for (const BaselineDifference& port : difference.ports) {
        text += fmt::format(
            "\nport {}: transitions {:.6f} bits apart, occupancy {:.6f} bits apart\n", port.port,
            bits_of(port.transitions.js_nanobits), bits_of(port.occupancy.js_nanobits));
        text += rates_text(port);
        text += cells_text(JSG_TRANSITIONS, port.transitions);
        text += cells_text(JSG_OCCUPANCY, port.occupancy);
    }
    return text + only_text(difference.only_a, "A") + only_text(difference.only_b, "B");
}

}  // namespace jsguard
