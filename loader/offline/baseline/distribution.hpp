// SPDX-License-Identifier: BSD-2-Clause
// The two distributions of a baseline, measured with the detector's own fixed-point arithmetic.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernel/decision.h"
#include "kernel/jsguard.h"

namespace jsguard {

// Counts by cell. Refers to a baseline, which must live longer.
struct Distribution {
    jsg_signal signal = JSG_TRANSITIONS;
    std::span<const std::uint32_t> counts;
    std::uint64_t total = 0;
};
// Occupancy includes the phase waiting.
Distribution distribution_of(const jsg_baseline& baseline, jsg_signal signal);

struct CellCount {
    std::uint32_t cell = 0;
    std::uint32_t count = 0;
    std::uint32_t ppb = 0;  // share of the distribution in billionths
};
// The cells with a count above 0, the largest first.
std::vector<CellCount> cells_by_count(const Distribution& distribution);

// In billionths of a bit; 0 for an empty distribution.
std::uint64_t entropy_nanobits(const Distribution& distribution);

struct Divergence {
    std::uint32_t js_nanobits = 0;
    std::vector<jsg_top_cell> cells;  // cells that contribute, the largest part first
};
// Jensen-Shannon divergence over all cells. Neither distribution may be empty.
Divergence divergence(const Distribution& window, const Distribution& baseline);

// Mean figures of a baseline, in thousandths: open sockets, exchanges a second, transitions a
// second.
std::uint32_t open_millisockets(const jsg_baseline& baseline);
std::uint32_t exchanges_per_kilosecond(const jsg_baseline& baseline);
std::uint32_t transitions_per_kilosecond(const jsg_baseline& baseline);

inline double percent(std::uint64_t ppb) { return static_cast<double>(ppb) * 100 / JSG_NANO; }

}  // namespace jsguard
