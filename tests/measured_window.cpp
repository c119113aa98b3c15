// SPDX-License-Identifier: BSD-2-Clause
// The expected figures of a window, computed natively from the readings at its two ends.
#include "measured_window.hpp"

#include <algorithm>
#include <numeric>
#include <span>
#include <vector>

#include "kernel/comparison.h"
#include "kernel/significance.h"

namespace testbed {
namespace {

using Cells = std::vector<__u32>;

std::uint64_t total(std::span<const __u32> cells) {
    return std::accumulate(cells.begin(), cells.end(), std::uint64_t{0});
}

Cells difference(std::span<const __u32> newer, std::span<const __u32> older) {
    Cells cells(newer.size());
    for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = newer[i] - older[i];
    return cells;
}

struct Compared {
    std::uint32_t js = 0;
    std::uint32_t cells = 0;  // cells in which one of the two has counts
};

Compared compare(std::span<const __u32> p, std::span<const __u32> q, std::uint64_t share_q32) {
    Compared compared;
    if (!total(p)) return compared;
    jsg_comparison comparison;
    jsg_comparison_begin(&comparison, total(p), std::max<std::uint64_t>(total(q), 1), share_q32);
    for (std::size_t i = 0; i < p.size(); ++i) {
        jsg_comparison_add(&comparison, p[i], q[i]);
        compared.cells += p[i] || q[i];
    }
    compared.js = static_cast<std::uint32_t>(jsg_js_nanobits(comparison.js_q55));
    return compared;
}

// The occupancy of the generic baseline.
Cells generic() {
    Cells cells(JSG_PHASE_CELLS);
    for (const int phase :
         {JSG_RESPONSE_MOVING, JSG_RESPONSE_SLOW, JSG_REQUEST_MOVING, JSG_REQUEST_SLOW})
        cells.at(static_cast<std::size_t>(phase * JSG_AGES)) = 1;
    return cells;
}

std::uint32_t exchanges_between(const jsg_reading& newer, const jsg_reading& older) {
    const __u32 accepted = jsg_transition_cell(JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED);
    return newer.answers - older.answers + newer.transitions[accepted] -
           older.transitions[accepted];
}

// The sum of the moving phases. cells begins with the first cell of the occupancy.
std::uint64_t moving(std::span<const __u32> cells) {
    return total(cells.subspan(JSG_RESPONSE_MOVING * JSG_AGES, JSG_AGES)) +
           total(cells.subspan(JSG_REQUEST_MOVING * JSG_AGES, JSG_AGES));
}

Measured occupancy_measured_once(const jsg_config& config, const jsg_reading& newer,
                                 const jsg_reading& older, const jsg_baseline* normal,
                                 bool with_waiting) {
    const std::size_t cells = with_waiting ? JSG_PHASE_CELLS : JSG_JUDGED_CELLS;
    const auto p = difference(std::span(newer.occupancy).first(cells),
                              std::span(older.occupancy).first(cells));
    Cells q = normal ? Cells(normal->occupancy_socket_seconds,
                             normal->occupancy_socket_seconds + JSG_PHASE_CELLS)
                     : generic();
    q.resize(cells);
    const std::uint32_t rate = jsg_rate_milli(exchanges_between(newer, older), config.window_steps);
    std::uint32_t expected = rate, stalled_expected = rate, learned_s = 1;
    if (normal) {
        learned_s = std::max(normal->learned_s, 1U);
        const std::uint32_t base_rate = jsg_rate_milli(normal->exchanges, learned_s);
        expected = jsg_expected_milli(jsg_rate_milli(total(q), learned_s), base_rate, rate);
        stalled_expected =
            jsg_expected_milli(jsg_rate_milli(total(q) - moving(q), learned_s), base_rate, rate);
    }
    Measured measured;
    measured.with_waiting = with_waiting;
    measured.sockets =
        jsg_expect(jsg_rate_milli(total(p), config.window_steps), expected,
                   jsg_rate_milli(total(p) - moving(p), config.window_steps), stalled_expected);
    if (!total(q)) measured.sockets.share_q32 = 0;
    const Compared compared = compare(p, q, measured.sockets.share_q32);
    measured.js = compared.js;
    const std::uint64_t samples = normal
                                      ? jsg_episodes_milli(normal->occupancy_socket_seconds,
                                                           static_cast<__u32>(cells), learned_s, 1)
                                      : 0;
    measured.significance = jsg_significance_nanobits(compared.cells, measured.sockets.open,
                                                      samples, config.false_alarm_exponent);
    return measured;
}

}  // namespace

std::uint64_t transitions_between(const jsg_reading& newer, const jsg_reading& older) {
    return total(difference(newer.transitions, older.transitions));
}

jsg_baseline learned_between(const jsg_reading& newer, const jsg_reading& older,
                             std::uint32_t learned_s) {
    jsg_baseline learned{};
    learned.learned_s = learned_s;
    learned.exchanges = exchanges_between(newer, older);
    const auto transitions = difference(newer.transitions, older.transitions);
    std::copy(transitions.begin(), transitions.end(), learned.transition_counts);
    learned.transitions = static_cast<__u32>(total(transitions));
    const auto occupancy = difference(newer.occupancy, older.occupancy);
    std::copy(occupancy.begin(), occupancy.end(), learned.occupancy_socket_seconds);
    learned.judged_socket_seconds =
        static_cast<__u32>(total(std::span(occupancy).first(JSG_JUDGED_CELLS)));
    learned.waiting_socket_seconds =
        static_cast<__u32>(total(std::span(occupancy).subspan(JSG_JUDGED_CELLS)));
    return learned;
}

Measured transitions_measured(const jsg_config& config, const jsg_reading& newer,
                              const jsg_reading& older, const jsg_baseline& normal) {
    const auto p = difference(newer.transitions, older.transitions);
    const Compared compared = compare(p, normal.transition_counts, JSG_ONE_Q32);
    Measured measured;
    measured.js = compared.js;
    measured.significance = jsg_significance_nanobits(
        compared.cells, jsg_transition_samples_milli(total(p)),
        jsg_transition_samples_milli(normal.transitions), config.false_alarm_exponent);
    return measured;
}

Measured occupancy_measured(const jsg_config& config, const jsg_reading& newer,
                            const jsg_reading& older, const jsg_baseline* normal) {
    const Measured without = occupancy_measured_once(config, newer, older, normal, false);
    const Measured with = occupancy_measured_once(config, newer, older, normal, true);
    const auto has_evidence = [&](const Measured& measured) {
        return jsg_exceeds(&config, &measured.sockets) && measured.js > measured.significance;
    };
    if (has_evidence(without) != has_evidence(with)) return has_evidence(with) ? with : without;
    const std::uint64_t needed = std::uint64_t{config.min_sockets} * JSG_MILLI;
    if (without.sockets.open < needed && with.sockets.open >= needed) return with;
    return with.js > without.js ? with : without;
}

}  // namespace testbed
