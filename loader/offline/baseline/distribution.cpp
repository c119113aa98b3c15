// SPDX-License-Identifier: BSD-2-Clause
// The same arithmetic as in window.bpf.h and alert.bpf.h, with the same headers, in user space.
#include "offline/baseline/distribution.hpp"

#include <algorithm>

#include "common/baseline_file.hpp"
#include "kernel/comparison.h"

namespace jsguard {

Distribution distribution_of(const jsg_baseline& baseline, jsg_signal signal) {
    if (signal == JSG_TRANSITIONS)
        return {signal, baseline.transition_counts, baseline.transitions};
    return {signal, baseline.occupancy_socket_seconds, socket_seconds(baseline)};
}

std::vector<CellCount> cells_by_count(const Distribution& distribution) {
    std::vector<CellCount> cells;
    for (std::uint32_t cell = 0; cell < distribution.counts.size(); ++cell) {
        const std::uint32_t count = distribution.counts[cell];
        if (count == 0) continue;
        const auto share = jsg_probability_q48(count, distribution.total);
        cells.push_back({cell, count, jsg_probability_nano(share)});
    }
    std::stable_sort(cells.begin(), cells.end(),
                     [](const CellCount& a, const CellCount& b) { return a.count > b.count; });
    return cells;
}

std::uint64_t entropy_nanobits(const Distribution& distribution) {
    if (distribution.total == 0) return 0;
    jsg_comparison comparison;
    jsg_comparison_begin(&comparison, distribution.total, distribution.total, JSG_ONE_Q32);
    for (const std::uint32_t count : distribution.counts)
        jsg_comparison_add(&comparison, count, count);
    return jsg_entropy_nanobits(comparison.entropy_q54);
}

Divergence divergence(const Distribution& window, const Distribution& baseline) {
    Divergence found;
    jsg_comparison comparison;
    jsg_comparison_begin(&comparison, window.total, baseline.total, JSG_ONE_Q32);
    for (std::uint32_t cell = 0; cell < window.counts.size(); ++cell) {
        jsg_comparison_add(&comparison, window.counts[cell], baseline.counts[cell]);
        const auto p = jsg_probability_q48(window.counts[cell], window.total);
        const auto q = jsg_probability_q48(baseline.counts[cell], baseline.total);
        const jsg_top_cell top = {cell, jsg_probability_nano(p), jsg_probability_nano(q),
                                  jsg_js_nanobits(jsg_js_part_q55(p, q))};
        if (top.nanobits != 0) found.cells.push_back(top);
    }
    found.js_nanobits = jsg_js_nanobits(comparison.js_q55);
    std::stable_sort(
        found.cells.begin(), found.cells.end(),
        [](const jsg_top_cell& a, const jsg_top_cell& b) { return a.nanobits > b.nanobits; });
    return found;
}

std::uint32_t open_millisockets(const jsg_baseline& baseline) {
    return jsg_rate_milli(socket_seconds(baseline), learned_seconds(baseline));
}

std::uint32_t exchanges_per_kilosecond(const jsg_baseline& baseline) {
    return jsg_rate_milli(baseline.exchanges, learned_seconds(baseline));
}

std::uint32_t transitions_per_kilosecond(const jsg_baseline& baseline) {
    return jsg_rate_milli(baseline.transitions, learned_seconds(baseline));
}

}  // namespace jsguard
