// SPDX-License-Identifier: BSD-2-Clause
// Figures that the text and JSON views of an observation both show.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "common/cells.hpp"
#include "observe/observation.hpp"

namespace jsguard {

// The figures of one signal of one service in its last window.
struct SignalFigures {
    std::uint32_t js_nanobits = 0;
    std::uint32_t significance_nanobits = 0;
    std::uint32_t threshold_nanobits = 0;  // 0: not set yet
    jsg_verdict verdict = JSG_NOT_JUDGED;
    bool has_divergence = false;  // false: there is no divergence to show
};

inline SignalFigures figures_of(const jsg_service& service, const jsg_window* window,
                                jsg_signal signal) {
    SignalFigures figures;
    figures.threshold_nanobits = service.threshold_nanobits[signal];
    if (!window) return figures;
    figures.js_nanobits = window->signal[signal].js_nanobits;
    figures.significance_nanobits = window->signal[signal].significance_nanobits;
    figures.verdict = window->signal[signal].verdict;
    figures.has_divergence = has_divergence(window->signal[signal]);
    return figures;
}
inline SignalFigures figures_of(const ObservedService& seen, jsg_signal signal) {
    return figures_of(seen.service, seen.window ? &*seen.window : nullptr, signal);
}

// What the divergence must exceed: the threshold or, if it is larger, the significance bound. A
// bound of 1 bit or more means that no divergence is significant. 0: not set yet.
struct Limit {
    std::uint32_t nanobits = 0;
    bool is_significance = false;
};

inline Limit limit_of(const SignalFigures& figures) {
    if (!figures.has_divergence || figures.significance_nanobits <= figures.threshold_nanobits)
        return {figures.threshold_nanobits, false};
    return {std::min<std::uint32_t>(figures.significance_nanobits, JSG_NANO), true};
}

// "0.12", or "~0.31" for a significance bound.
inline std::string limit_text(const Limit& limit) {
    return fmt::format("{}{:.3g}", limit.is_significance ? "~" : "", bits_of(limit.nanobits));
}

// Whether the verdict compares the divergence with the limit.
inline bool is_judged(const jsg_window_signal& found) {
    return has_divergence(found) && found.verdict != JSG_NOT_JUDGED &&
           found.verdict != JSG_NOT_ENOUGH_TRAFFIC;
}

inline std::size_t alerts_up(const jsg_service& service) {
    return static_cast<std::size_t>(
        std::count_if(std::begin(service.alerts), std::end(service.alerts),
                      [](const jsg_alert_track& track) { return track.state == JSG_ALERT; }));
}

inline std::size_t alerts_up(const Observation& seen) {
    std::size_t up = 0;
    for (const ObservedService& service : seen.services) up += alerts_up(service.service);
    return up;
}

// Time since the alert was raised. The time of the observation by CLOCK_MONOTONIC is the end of the
// last tick plus the silence after it.
inline std::uint64_t age_ns(const Observation& seen, const jsg_alert_track& alert) {
    const std::uint64_t now_ns = seen.cost.ticks.last_ns + seen.silent_ns;
    return now_ns - std::min<std::uint64_t>(now_ns, alert.raised_ns);
}

// Whether the service learns for the first time, still learns, or relearns.
inline bool is_learning(const jsg_service& service) {
    return service.mode == JSG_LEARNING || service.mode == JSG_STILL_LEARNING || service.relearning;
}

// Whether the learning time is over, but there was not enough traffic.
inline bool is_lacking(const Observation& seen, const ObservedService& service) {
    return service.pending_baseline && is_learning(service.service) &&
           service.service.learned_steps >= seen.config.learn_steps;
}

// The share of one CPU that the ticks take; none if the uptime is unknown.
inline std::optional<double> tick_cpu_share(const Cost& cost) {
    if (!cost.uptime_ns || !*cost.uptime_ns) return {};
    return static_cast<double>(cost.ticks.total_ns) / static_cast<double>(*cost.uptime_ns);
}

// The mean time per transition of the programs that run at transitions; none if no run was
// measured.
inline std::optional<double> mean_transition_run_ns(const Cost& cost) {
    const ProgramCost* program = cost.measured(transition_program);
    if (!program) return {};
    return static_cast<double>(cost.transition_run_ns()) / static_cast<double>(program->runs);
}

}  // namespace jsguard
