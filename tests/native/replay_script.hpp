// SPDX-License-Identifier: BSD-2-Clause
// Synthetic recordings of a service, and the outcome of their replay.
#pragma once

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "load/options.hpp"
#include "offline/replay/replay.hpp"

namespace replayed {

using namespace jsguard;

constexpr std::uint32_t window_steps = 10, learn_steps = 60, confirm = 3, clear = 10;
constexpr std::uint32_t port = 8080;
constexpr std::uint64_t second_ns = 1'000'000'000;

inline RecordingHeader header() {
    RecordingHeader header{.host = "web1", .kernel = "6.1", .unix_ms = 1'700'000'000'000};
    Options options;
    options.learn_s = learn_steps;
    header.config = make_config(options);
    header.config.cpus = 2;
    return header;
}

// Makes the entries that a recorder writes about a service, step by step.
class Script {
  public:
    explicit Script(std::uint32_t its_port = port) : port_(its_port) {
        RecordedService fresh;
        fresh.service.port = port_;
        entries_.push_back(fresh);
    }

    // One second of a service. `answered` connections are answered after a moment, `stalled` ones
    // do not complete their request, and `reset` ones are reset.
    void step(std::uint32_t answered, std::uint32_t stalled = 0, std::uint32_t reset = 0) {
        RecordedWindow window;
        jsg_reading& counted = window.step;
        // This makes neighbouring seconds different.
        const auto wobble = static_cast<std::uint32_t>(steps_.size() % 3);
        const std::uint32_t arrived = answered + wobble;
        add(counted, JSG_TCP_LISTEN, JSG_TCP_SYN_RECV, arrived + reset);
        add(counted, JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED, arrived + reset);
        add(counted, JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE_WAIT, arrived);
        add(counted, JSG_TCP_CLOSE_WAIT, JSG_TCP_LAST_ACK, arrived);
        add(counted, JSG_TCP_LAST_ACK, JSG_TCP_CLOSE, arrived);
        add(counted, JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE, reset);
        counted.answers = arrived;
        counted.occupancy[JSG_REQUEST_MOVING * JSG_AGES] = arrived;
        counted.occupancy[JSG_WAITING * JSG_AGES + 1] = wobble;
        stalled_for_ = stalled ? stalled_for_ + 1 : 0;
        counted.occupancy[JSG_REQUEST_SLOW * JSG_AGES + std::min(stalled_for_ / 2, 6U)] = stalled;
        window.record.sockets = arrived + wobble + stalled + idle;
        window.record.idle_sockets = idle;
        window.record.waiting_sockets = wobble;
        window.record.open_requests = arrived + stalled;
        push(window);
    }
    void steps(std::uint32_t number, std::uint32_t answered, std::uint32_t stalled = 0) {
        for (std::uint32_t i = 0; i < number; ++i) step(answered, stalled);
    }
    void push(RecordedWindow window) {
        steps_.push_back(window.step);
        const std::uint64_t sequence = steps_.size();
        for (std::size_t i = sequence - std::min<std::size_t>(sequence, window_steps); i < sequence;
             ++i) {
            for (int cell = 0; cell < JSG_TRANSITION_CELLS; ++cell)
                window.transitions[cell] += steps_[i].transitions[cell];
            for (int cell = 0; cell < JSG_PHASE_CELLS; ++cell)
                window.occupancy[cell] += steps_[i].occupancy[cell];
            window.record.exchanges += steps_[i].answers;
        }
        window.record.exchanges +=
            window.transitions[jsg_transition_cell(JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED)];
        window.record.sequence = sequence;
        window.record.port = port_;
        window.record.end_ns = 5'000'123'456 + sequence * (second_ns + 1'234);
        window.record.end_unix_ms = 1'700'000'000'000 + sequence * 1000;
        if (!window.record.sampled_ppm) window.record.sampled_ppm = 1'000'000;
        if (!window.record.sample_weight) window.record.sample_weight = 1;
        window.listeners = 1;
        entries_.push_back(window);
    }
    void relearn() { entries_.push_back(RecordedRelearning{port_, steps_.size() + 1}); }
    std::uint64_t sequence() const { return steps_.size(); }
    const std::vector<RecordingEntry>& entries() const { return entries_; }

    static constexpr std::uint32_t idle = 7;

  private:
    static void add(jsg_reading& counted, __u32 from, __u32 to, __u32 count) {
        counted.transitions[jsg_transition_cell(from, to)] += count;
    }

    std::uint32_t port_;
    std::uint32_t stalled_for_ = 0;
    std::vector<jsg_reading> steps_;
    std::vector<RecordingEntry> entries_;
};

// The windows and alerts of a replay.
struct Outcome {
    std::vector<jsg_window> windows;
    std::vector<jsg_alert> alerts;
};

inline Outcome play(Replay& replay, const std::vector<RecordingEntry>& entries) {
    Outcome outcome;
    for (const RecordingEntry& entry : entries) {
        const Replayed replayed = replay.take(entry);
        if (replayed.window) outcome.windows.push_back(*replayed.window);
        outcome.alerts.insert(outcome.alerts.end(), replayed.alerts.begin(), replayed.alerts.end());
    }
    return outcome;
}

inline Outcome play(const std::vector<RecordingEntry>& entries, ReplayChanges changes = {}) {
    Replay replay(header(), std::move(changes));
    return play(replay, entries);
}

template <typename Value>
bool is_same(const Value& a, const Value& b) {
    return std::memcmp(&a, &b, sizeof(a)) == 0;
}

// The service learns, is attacked by stalled requests for 30 s, recovers, relearns, and is flooded
// by resets.
inline Script whole_run() {
    Script script;
    script.steps(80, 20);
    script.steps(30, 20, 150);
    script.steps(40, 21);
    script.relearn();
    script.steps(90, 30);
    for (int i = 0; i < 15; ++i) script.step(2, 0, 400);
    script.steps(20, 30);
    return script;
}

}  // namespace replayed
