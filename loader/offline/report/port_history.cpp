// SPDX-License-Identifier: BSD-2-Clause
// Gathers timelines, alerts, gaps, and the windows to show cell by cell.
#include "offline/report/port_history.hpp"

#include <algorithm>
#include <numeric>
#include <span>
#include <tuple>

#include "common/cells.hpp"
#include "common/clocks.hpp"
#include "kernel/comparison.h"
#include "kernel/decision.h"

namespace jsguard {
namespace {

// The window with the largest value is shown cell by cell. Windows with the verdict above come
// first.
auto interest(const jsg_window& record, jsg_signal signal) {
    return std::tuple(record.signal[signal].verdict == JSG_ABOVE,
                      has_divergence(record.signal[signal]), record.signal[signal].js_nanobits);
}

std::uint64_t total(std::span<const std::uint32_t> counts) {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

double probability(std::uint64_t q48) {
    return static_cast<double>(q48) / static_cast<double>(1ULL << JSG_PROBABILITY_BITS);
}

double js_bits(std::int64_t part_q55) {
    return static_cast<double>(part_q55) / static_cast<double>(1ULL << (JSG_SUM_BITS + 1));
}

CellShare excess_cell(std::uint64_t share_q32) {
    const std::uint64_t q48 = jsg_excess_cell_q48(share_q32);
    return {0, probability(q48), js_bits(jsg_js_part_q55(0, q48))};
}

std::vector<CellShare> window_alone(std::span<const std::uint32_t> counts, std::uint64_t counted) {
    std::vector<CellShare> shares(counts.size());
    for (std::size_t cell = 0; cell < counts.size(); cell++)
        shares[cell].window = probability(jsg_probability_q48(counts[cell], counted));
    return shares;
}

// Domain: the counts of window and baseline both have a total above 0.
std::vector<CellShare> compared(std::span<const std::uint32_t> window,
                                std::span<const std::uint32_t> baseline, std::uint64_t share_q32) {
    jsg_comparison comparison{};
    jsg_comparison_begin(&comparison, total(window), total(baseline), share_q32);
    std::vector<CellShare> shares(window.size());
    for (std::size_t cell = 0; cell < window.size(); cell++) {
        const std::uint64_t p = jsg_probability_q48(window[cell], comparison.p_total);
        const std::uint64_t q = jsg_comparison_q_q48(&comparison, baseline[cell]);
        shares[cell] = {probability(p), probability(q), js_bits(jsg_js_part_q55(p, q))};
    }
    return shares;
}

std::vector<CellShare> occupancy_shares(const ShownWindow& shown) {
    const jsg_window& record = shown.window.record;
    const std::size_t cells = record.with_waiting ? JSG_PHASE_CELLS : JSG_JUDGED_CELLS;
    const std::span window = std::span(shown.window.occupancy).first(cells);
    const std::uint64_t counted = total(window);
    if (counted == 0) return {};
    if (!shown.baseline) {
        std::vector<CellShare> shares = window_alone(window, counted);
        shares.resize(JSG_OCCUPANCY_CELLS);
        return shares;
    }
    const auto baseline = std::span(shown.baseline->occupancy_socket_seconds).first(cells);
    std::uint64_t share_q32 =
        jsg_expect(record.open_millisockets, record.expected_millisockets, 0, 0).share_q32;
    std::vector<CellShare> shares;
    if (total(baseline) > 0) {
        shares = compared(window, baseline, share_q32);
    } else {
        share_q32 = 0;  // the baseline is empty: all sockets are excess
        shares = window_alone(window, counted);
        for (CellShare& cell : shares) cell.bits = cell.window / 2;
    }
    shares.resize(JSG_OCCUPANCY_CELLS);
    shares[JSG_CELL_EXCESS] = excess_cell(share_q32);
    return shares;
}

std::vector<CellShare> transition_shares(const ShownWindow& shown) {
    const std::span window(shown.window.transitions);
    const std::uint64_t counted = total(window);
    if (counted == 0) return {};
    if (!shown.baseline || total(shown.baseline->transition_counts) == 0)
        return window_alone(window, counted);
    return compared(window, shown.baseline->transition_counts, JSG_ONE_Q32);
}

}  // namespace

std::vector<CellShare> cell_shares(const ShownWindow& shown, jsg_signal signal) {
    return signal == JSG_TRANSITIONS ? transition_shares(shown) : occupancy_shares(shown);
}

PortHistory::PortHistory(std::uint64_t step_ns, std::optional<std::uint64_t> asked)
    : signals{SignalHistory(step_ns / millisecond_ns), SignalHistory(step_ns / millisecond_ns)},
      state_entropy(step_ns / millisecond_ns),
      state_entropy_trend(step_ns / millisecond_ns),
      transition_entropy(step_ns / millisecond_ns),
      sockets(step_ns / millisecond_ns),
      idle(step_ns / millisecond_ns),
      open_requests(step_ns / millisecond_ns),
      open(step_ns / millisecond_ns),
      expected(step_ns / millisecond_ns),
      asked_(asked) {}

void PortHistory::take(const RecordedService& entry) {
    in_force_ = entry.baseline;
    for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY})
        was_up_[signal] = entry.service.alerts[signal].state == JSG_ALERT;
}

void PortHistory::take(const RecordedWindow& entry) {
    const jsg_window& record = entry.record;
    const std::uint64_t at = record.end_unix_ms;
    if (windows++ == 0) first_ms = at;
    if (missing_now_ > 0) gaps.add({last_ms, at});
    missing_now_ = 0;
    last_ms = at;

    monitored += record.mode == JSG_MONITORING;
    if (record.mode != JSG_LEARNING && record.mode != JSG_STILL_LEARNING)
        end_learning(at);
    else if (!learning_now_)
        learning_now_ = {at, at};

    for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY}) {
        SignalHistory& history = signals[signal];
        if (has_divergence(record.signal[signal])) {
            history.divergence.add(at, bits_of(record.signal[signal].js_nanobits));
            history.significance.add(at, bits_of(record.signal[signal].significance_nanobits));
        }
        if (entry.threshold_nanobits[signal] > 0)
            history.threshold.add(at, bits_of(entry.threshold_nanobits[signal]));
        history.windows_above += record.signal[signal].verdict == JSG_ABOVE;
        follow_alert(signal, entry, at);
        consider(signal, entry);
    }
    state_entropy.add(at, bits_of(record.state_entropy_nanobits));
    state_entropy_trend.add(at, bits_of(record.state_entropy_trend_nanobits));
    transition_entropy.add(at, bits_of(record.transition_entropy_nanobits));
    sockets.add(at, record.sockets);
    idle.add(at, record.idle_sockets);
    open_requests.add(at, record.open_requests);
    open.add(at, thousandths(record.open_millisockets));
    expected.add(at, thousandths(record.expected_millisockets));
}

void PortHistory::take(const RecordedBaseline& entry) {
    in_force_ = entry.baseline;
    baselines++;
}

void PortHistory::take(const RecordedRelearning&) { relearnings++; }

void PortHistory::take(const RecordedGap& entry) {
    missing += entry.windows;
    missing_now_ += entry.windows;
}

void PortHistory::take(const RecordedEnd&) {
    ends++;
    for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY})
        end_alert(signal, last_ms, false);
    end_learning(last_ms);
    in_force_.reset();
    was_up_ = {};
}

void PortHistory::finish() {
    for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY})
        end_alert(signal, last_ms, true);
    end_learning(last_ms);
}

void PortHistory::follow_alert(jsg_signal signal, const RecordedWindow& entry, std::uint64_t at) {
    if (entry.record.signal[signal].alert != JSG_ALERT) {
        end_alert(signal, at, false);
        return;
    }
    std::optional<AlertSpan>& up = up_[signal];
    if (!up) up = {signal, at, at, 0, was_up_[signal], false};
    was_up_[signal] = false;
    // Like the detector's own peak: only windows with the verdict above count.
    if (entry.record.signal[signal].verdict == JSG_ABOVE)
        up->peak_bits = std::max(up->peak_bits, bits_of(entry.record.signal[signal].js_nanobits));
}

void PortHistory::end_alert(jsg_signal signal, std::uint64_t at_ms, bool still_up) {
    std::optional<AlertSpan>& up = up_[signal];
    was_up_[signal] = false;
    if (!up) return;
    up->to_ms = at_ms;
    up->still_up = still_up;
    alerts.add(*up);
    up.reset();
}

void PortHistory::end_learning(std::uint64_t at_ms) {
    if (!learning_now_) return;
    learning_now_->to_ms = at_ms;
    learning.add(*learning_now_);
    learning_now_.reset();
}

void PortHistory::consider(jsg_signal signal, const RecordedWindow& entry) {
    std::optional<ShownWindow>& shown = signals[signal].shown;
    const bool better =
        asked_ ? entry.record.sequence == *asked_ && !shown
               : !shown || interest(entry.record, signal) > interest(shown->window.record, signal);
    if (better) shown = {entry, in_force_};
}

}  // namespace jsguard
