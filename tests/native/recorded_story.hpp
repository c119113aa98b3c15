// SPDX-License-Identifier: BSD-2-Clause
// A synthetic recording. Its service learns, is quiet, is attacked, is quiet, misses windows, and
// is attacked again until the end.
#pragma once

#include <functional>
#include <random>

#include "kernel/comparison.h"
#include "kernel/decision.h"
#include "offline/recording/recording.hpp"

namespace jsguard {

struct Story {
    std::uint64_t windows = 600;
    std::uint32_t port = 8080;
    std::string host = "web1";

    static constexpr std::uint64_t begin_ms = 1'795'341'600'000;  // 2026-11-22 10:00 UTC
    static constexpr std::uint64_t learning = 60, missed = 7;
    std::uint64_t first_raise() const { return windows * 4 / 10; }
    std::uint64_t first_clear() const { return windows * 5 / 10; }
    std::uint64_t gap() const { return windows * 7 / 10; }  // the first missing window
    std::uint64_t second_raise() const { return windows * 9 / 10; }
    bool attacked(std::uint64_t sequence) const {
        return (sequence >= first_raise() && sequence < first_clear()) ||
               sequence >= second_raise();
    }
};

inline RecordingHeader story_header(const Story& story) {
    RecordingHeader header{story.host, "6.18.0", Story::begin_ms, {}};
    jsg_config& config = header.config;
    config.schema = JSG_SCHEMA;
    config.step_ns = JSG_NANO;
    config.window_steps = 10;
    config.learn_steps = Story::learning;
    config.transition_threshold_nanobits = config.occupancy_threshold_nanobits =
        JSG_NANO / 100 * 12;
    config.false_alarm_exponent = 6;
    config.min_transitions = 100;
    config.min_sockets = 20;
    config.min_rate = 512;
    config.confirm_steps = 3;
    config.clear_steps = 10;
    config.readings_per_service = jsg_readings_needed(config.window_steps);
    config.cpus = 2;
    return header;
}

inline std::uint32_t story_cell(jsg_phase phase, std::uint32_t age) {
    return phase * JSG_AGES + age;
}

inline void fill_transitions(std::uint32_t* counts, std::uint32_t connections) {
    const auto add = [&](std::uint32_t from, std::uint32_t to, std::uint32_t share) {
        counts[jsg_transition_cell(from, to)] = connections * share / 100;
    };
    add(JSG_TCP_LISTEN, JSG_TCP_SYN_RECV, 100);
    add(JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED, 100);
    add(JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE_WAIT, 40);
    add(JSG_TCP_CLOSE_WAIT, JSG_TCP_LAST_ACK, 40);
    add(JSG_TCP_LAST_ACK, JSG_TCP_CLOSE, 40);
    add(JSG_TCP_ESTABLISHED, JSG_TCP_FIN_WAIT1, 55);
    add(JSG_TCP_FIN_WAIT1, JSG_TCP_FIN_WAIT2, 50);
    add(JSG_TCP_FIN_WAIT2, JSG_TCP_CLOSE, 50);
    add(JSG_TCP_FIN_WAIT1, JSG_TCP_CLOSING, 3);
    add(JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE, 5);
}

inline void fill_occupancy(std::uint32_t* counts, std::uint32_t sockets) {
    counts[story_cell(JSG_RESPONSE_MOVING, 0)] = 4 * sockets;
    counts[story_cell(JSG_RESPONSE_MOVING, 1)] = sockets;
    counts[story_cell(JSG_RESPONSE_SLOW, 0)] = sockets / 2;
    counts[story_cell(JSG_REQUEST_MOVING, 0)] = 3 * sockets;
    counts[story_cell(JSG_REQUEST_SLOW, 0)] = sockets;
    counts[story_cell(JSG_CLOSING, 0)] = sockets;
    counts[story_cell(JSG_WAITING, 0)] = sockets / 3;
}

inline jsg_baseline story_baseline() {
    jsg_baseline baseline{};
    fill_transitions(baseline.transition_counts, 2400);
    fill_occupancy(baseline.occupancy_socket_seconds, 90);
    baseline.learned_s = Story::learning;
    for (const std::uint32_t count : baseline.transition_counts) baseline.transitions += count;
    for (std::uint32_t cell = 0; cell < JSG_PHASE_CELLS; cell++)
        (cell < JSG_JUDGED_CELLS ? baseline.judged_socket_seconds
                                 : baseline.waiting_socket_seconds) +=
            baseline.occupancy_socket_seconds[cell];
    baseline.exchanges = 2600;
    return baseline;
}

// The divergence as the detector computes it.
inline std::uint32_t story_js(const std::uint32_t* window, const std::uint32_t* baseline,
                              std::uint32_t cells, std::uint64_t share_q32) {
    std::uint64_t p = 0, q = 0;
    for (std::uint32_t cell = 0; cell < cells; cell++) {
        p += window[cell];
        q += baseline[cell];
    }
    jsg_comparison comparison{};
    jsg_comparison_begin(&comparison, p, q, share_q32);
    for (std::uint32_t cell = 0; cell < cells; cell++)
        jsg_comparison_add(&comparison, window[cell], baseline[cell]);
    return jsg_js_nanobits(comparison.js_q55);
}

inline RecordedWindow story_window(const Story& story, std::uint64_t sequence) {
    std::mt19937_64 random(sequence);
    const auto about = [&](std::uint32_t number) {
        return number - number / 8 + static_cast<std::uint32_t>(random() % (number / 4 + 1));
    };
    RecordedWindow window;
    jsg_window& record = window.record;
    record.port = story.port;
    record.sequence = sequence;
    record.end_ns = sequence * JSG_NANO;
    record.end_unix_ms = Story::begin_ms + sequence * 1000 + random() % 3;
    const bool learning = sequence <= Story::learning;
    const bool attacked = story.attacked(sequence);
    record.mode = learning ? JSG_LEARNING : JSG_MONITORING;
    fill_transitions(window.transitions.data(), about(400));
    fill_occupancy(window.occupancy.data(), about(15));
    const std::uint64_t since =
        sequence - (sequence >= story.second_raise() ? story.second_raise() : story.first_raise());
    if (attacked) {
        // About five hundred slow requests. Their ages grow.
        for (std::uint32_t age = 0; age < JSG_AGES; age++)
            window.occupancy[story_cell(JSG_REQUEST_SLOW, age)] +=
                since >= age * 4 ? about(700) : 0;
        window.transitions[jsg_transition_cell(JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE)] += about(30);
    }
    std::uint32_t judged = 0;
    for (const std::uint32_t count : window.transitions) record.transitions += count;
    for (std::uint32_t cell = 0; cell < JSG_JUDGED_CELLS; cell++) judged += window.occupancy[cell];
    record.open_millisockets = judged * 100;  // socket-seconds over ten seconds
    record.expected_millisockets = 15'000;
    const jsg_expectation sockets =
        jsg_expect(record.open_millisockets, record.expected_millisockets, 0, 0);
    record.excess_millisockets = sockets.excess;
    record.sockets = about(320) + (attacked ? judged / 10 : 0);
    record.idle_sockets = about(300);
    record.open_requests = judged / 10;
    record.exchanges = about(430);
    record.sampled_ppm = 1'000'000;
    record.transition_entropy_nanobits = 3 * JSG_NANO + random() % 200'000'000;
    record.state_entropy_nanobits = 2 * JSG_NANO + random() % 300'000'000;
    record.state_entropy_trend_nanobits = 2'150'000'000;
    window.threshold_nanobits = {JSG_NANO / 100 * 12, JSG_NANO / 100 * 12};
    window.listeners = 1;
    if (learning) {
        record.signal[JSG_TRANSITIONS].verdict = record.signal[JSG_OCCUPANCY].verdict =
            JSG_NOT_JUDGED;
        return window;
    }
    const jsg_baseline baseline = story_baseline();
    record.signal[JSG_TRANSITIONS].js_nanobits = story_js(
        window.transitions.data(), baseline.transition_counts, JSG_TRANSITION_CELLS, JSG_ONE_Q32);
    record.signal[JSG_OCCUPANCY].js_nanobits =
        story_js(window.occupancy.data(), baseline.occupancy_socket_seconds, JSG_JUDGED_CELLS,
                 sockets.share_q32);
    record.signal[JSG_TRANSITIONS].significance_nanobits = 30'000'000;
    record.signal[JSG_OCCUPANCY].significance_nanobits = about(70'000'000);
    record.signal[JSG_TRANSITIONS].verdict = JSG_NORMAL;
    record.signal[JSG_OCCUPANCY].verdict = attacked ? JSG_ABOVE : JSG_NORMAL;
    if (attacked) record.signal[JSG_OCCUPANCY].alert = since < 2 ? JSG_CONFIRMING : JSG_ALERT;
    return window;
}

// Calls take_entry with each entry, in order.
inline void for_each_entry(const Story& story,
                           const std::function<void(const RecordingEntry&)>& take_entry) {
    RecordedService service;
    service.service.port = story.port;
    service.service.mode = JSG_LEARNING;
    take_entry(service);
    for (std::uint64_t sequence = 1; sequence <= story.windows; sequence++) {
        if (sequence == story.gap()) take_entry(RecordedGap{story.port, sequence, Story::missed});
        if (sequence >= story.gap() && sequence < story.gap() + Story::missed) continue;
        take_entry(story_window(story, sequence));
        if (sequence == Story::learning)
            take_entry(RecordedBaseline{story.port, sequence, story_baseline()});
    }
}

}  // namespace jsguard
