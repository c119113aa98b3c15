// SPDX-License-Identifier: BSD-2-Clause
// Observations of a detector with three services: one quiet, one under attack, one that learns.
#pragma once

#include "observe/observation.hpp"

namespace samples {

constexpr std::uint64_t now_ms = 1'767'323'045'678;  // 2026-01-02T03:04:05.678Z
constexpr std::uint64_t uptime_ns = 11'520 * jsguard::second_ns;

inline jsg_window quiet_window(std::uint32_t port, std::uint64_t sequence) {
    jsg_window window{};
    window.sequence = sequence;
    window.end_unix_ms = now_ms - 400;
    window.signal[JSG_TRANSITIONS].kl_nanobits = 3'000'000;
    window.signal[JSG_OCCUPANCY].kl_nanobits = 12'000'000;
    window.transition_entropy_nanobits = 2'900'000'000;
    window.state_entropy_nanobits = 2'500'000'000;
    window.state_entropy_trend_nanobits = 2'400'000'000;
    window.port = port;
    window.mode = JSG_MONITORING;
    window.transitions = 4'000;
    window.sockets = 1'203;
    window.idle_sockets = 1'180;
    window.waiting_sockets = 2;
    window.open_requests = 11;
    window.exchanges = 900;
    window.open_millisockets = 20'500;
    window.expected_millisockets = 19'250;
    window.stalled_millisockets = 15'000;
    window.sampled_ppm = 1'000'000;
    window.signal[JSG_TRANSITIONS].js_nanobits = 2'345'678;
    window.signal[JSG_OCCUPANCY].js_nanobits = 34'000'000;
    window.signal[JSG_TRANSITIONS].significance_nanobits = 10'000'000;
    window.signal[JSG_OCCUPANCY].significance_nanobits = 90'000'000;
    window.signal[JSG_TRANSITIONS].verdict = JSG_NORMAL;
    window.signal[JSG_OCCUPANCY].verdict = JSG_NORMAL;
    window.sample_weight = 1;
    return window;
}

inline jsg_window attacked_window(std::uint32_t port, std::uint64_t sequence) {
    jsg_window window = quiet_window(port, sequence);
    window.sockets = 1'703;
    window.open_requests = 511;
    window.open_millisockets = 520'500;
    window.excess_millisockets = 482'000;
    window.stalled_millisockets = 515'000;
    window.stalled_excess_millisockets = 476'500;
    window.signal[JSG_OCCUPANCY].js_nanobits = 681'234'567;
    window.signal[JSG_OCCUPANCY].verdict = JSG_ABOVE;
    window.signal[JSG_OCCUPANCY].alert = JSG_ALERT;
    return window;
}

inline jsguard::ObservedService observed(std::uint32_t service_id, const jsg_window& window) {
    jsguard::ObservedService seen;
    seen.service_id = service_id;
    seen.window = window;
    jsg_service& service = seen.service;
    service.port = window.port;
    service.mode = window.mode;
    service.sequence = window.sequence;
    service.sockets = window.sockets;
    service.listeners = 1;
    service.baselines_learned = 1;
    for (auto& threshold : service.threshold_nanobits) threshold = 120'000'000;
    const auto opened = jsg_transition_cell(JSG_TCP_LISTEN, JSG_TCP_SYN_RECV);
    const auto left = jsg_transition_cell(JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE_WAIT);
    seen.window_counts.transitions[opened] = 3'000;
    seen.window_counts.transitions[left] = 1'000;
    seen.total_counts.transitions[opened] = 300'000;
    seen.total_counts.transitions[left] = 100'000;
    seen.window_counts.occupancy[JSG_REQUEST_SLOW * JSG_AGES + 4] = window.open_requests * 10;
    seen.window_counts.occupancy[JSG_RESPONSE_MOVING * JSG_AGES] = 90;
    seen.step_counts.occupancy[JSG_REQUEST_SLOW * JSG_AGES + 4] = window.open_requests;
    seen.step_counts.occupancy[JSG_RESPONSE_MOVING * JSG_AGES] = 9;
    seen.baseline.emplace();
    seen.baseline->learned_s = 60;
    seen.baseline->transitions = 24'000;
    seen.baseline->transition_counts[opened] = 12'000;
    seen.baseline->transition_counts[left] = 12'000;
    seen.baseline->exchanges = 5'400;
    seen.baseline->judged_socket_seconds = 1'200;
    seen.baseline->occupancy_socket_seconds[JSG_RESPONSE_MOVING * JSG_AGES] = 1'200;
    return seen;
}

// Port 80 is quiet, 443 learns, and 8080 has been above its threshold for 200 s. Its alert was
// raised 198 s ago.
inline jsguard::Observation observation() {
    jsguard::Observation all;
    all.host = "web1";
    all.kernel = "6.18.0";
    all.unix_ms = now_ms;
    all.silent_ns = 5'000'000;
    all.attended = true;
    all.config.step_ns = jsguard::second_ns;
    all.config.schema = JSG_SCHEMA;
    all.config.instance = 0x5f0c'9a1e'0001;
    all.config.window_steps = 10;
    all.config.learn_steps = 60;
    all.config.transition_threshold_nanobits = 120'000'000;
    all.config.occupancy_threshold_nanobits = 120'000'000;
    all.config.cpus = 2;
    all.stats.windows = 30'000;
    all.stats.transitions = 700'000;
    all.stats.alerts = 1;
    all.stats.not_enough_traffic = 12;
    all.cost.ticks = {64 * 11'520, 115'200'000'000, 44'969, uptime_ns};
    all.cost.programs = {{"jsg_destroy", 0, 0},
                         {"jsg_existing", 0, 0},
                         {"jsg_start", 0, 0},
                         {"jsg_transition", 0, 0}};
    all.cost.map_bytes = 10'564'608;
    all.cost.missed_runs = 0;
    all.cost.uptime_ns = uptime_ns;
    all.cost.start_unix_ms = now_ms - uptime_ns / 1'000'000;

    all.services.push_back(observed(1, quiet_window(80, 11'460)));

    jsguard::ObservedService learning = observed(2, quiet_window(443, 23));
    learning.window->mode = learning.service.mode = JSG_LEARNING;
    learning.window->signal[JSG_TRANSITIONS].verdict = JSG_NOT_JUDGED;
    learning.window->signal[JSG_OCCUPANCY].verdict = JSG_NOT_JUDGED;
    learning.window->signal[JSG_TRANSITIONS].js_nanobits = 0;
    learning.window->signal[JSG_OCCUPANCY].js_nanobits = 0;
    learning.service.learned_steps = 23;
    learning.service.baselines_learned = 0;
    learning.pending_baseline = learning.baseline;
    learning.baseline.reset();
    all.services.push_back(learning);

    jsguard::ObservedService attacked = observed(3, attacked_window(8080, 11'460));
    jsg_alert_track& alert = attacked.service.alerts[JSG_OCCUPANCY];
    alert.state = JSG_ALERT;
    alert.number = 1;
    alert.since_unix_ms = now_ms - 200'000;
    alert.raised_ns = uptime_ns - 198 * jsguard::second_ns;
    alert.peak_nanobits = 960'000'000;
    alert.above_steps = 200;
    all.services.push_back(attacked);
    return all;
}

}  // namespace samples
