// SPDX-License-Identifier: BSD-2-Clause
// One server with its connections, which the detector's own programs sample and judge.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "kernel/native/simulated_detector.h"
#include "tests/simulation/plan.hpp"

namespace simulation {

// Runs plans in simulated time. The detector's state is in globals, so a process has one world at a
// time. Times are in milliseconds since the beginning.
class World {
  public:
    // A window that the detector closed, and what was counted in its last step.
    using OnWindow = std::function<void(const jsg_window& record, const jsg_reading& counted)>;

    static constexpr std::uint16_t port = 80;

    World(const jsg_config& config, OnWindow on_window);
    ~World();
    World(const World&) = delete;
    World& operator=(const World&) = delete;

    // A connection that is accepted at that time, which must not be in the past. The caller fills
    // the plan, before the world runs on. peer: the client's address.
    Plan& open_at(std::uint64_t ms, std::uint32_t peer);
    // Lets everything happen that happens before that time.
    void run_until(std::uint64_t ms);

    std::uint64_t now_ms() const;
    std::uint64_t opened() const { return opened_; }
    std::uint64_t ended() const { return ended_; }
    // Changes of state since the beginning, by jsg_transition_cell(), with the listener's.
    const std::array<std::uint64_t, JSG_TRANSITION_CELLS>& transitions() const {
        return transitions_;
    }
    const jsg_stats& losses() const { return *simulated_detector_stats(); }

  private:
    struct Connection {
        Plan plan;
        std::size_t next = 0;  // the stage that comes next
        simulated_socket* socket = nullptr;
        std::uint32_t peer = 0;
        jsg_tcp tcp{};
        jsg_tcp at_begin{};  // when the present stage began
        std::uint64_t began_ms = 0;
    };
    struct Event {
        std::uint64_t ms;
        std::uint64_t order;  // events of the same millisecond happen in the order of their making
        std::uint32_t connection;

        bool operator<(const Event& other) const {  // the largest is the first one
            return ms != other.ms ? ms > other.ms : order > other.order;
        }
    };

    void schedule(std::uint64_t ms, std::uint32_t connection);
    void accept(std::uint32_t number);
    void advance(std::uint32_t number, std::uint64_t now_ms);
    void begin_stage(Connection& connection, const Stage& stage, std::uint64_t now_ms);
    void end_stage(Connection& connection, std::uint64_t now_ms);
    void enter(Connection& connection, std::uint32_t state);
    void close(std::uint32_t number);
    void take_window(const jsg_window& record, const jsg_reading& reading);

    OnWindow on_window_;
    std::vector<Connection> connections_;
    std::vector<std::uint32_t> free_;  // connections that have ended
    std::priority_queue<Event> events_;
    std::uint64_t order_ = 0, opened_ = 0, ended_ = 0;
    std::array<std::uint64_t, JSG_TRANSITION_CELLS> transitions_{};
    jsg_reading last_{};  // of the last window
};

// The difference of two readings, modulo 2^32 as in the kernel.
jsg_reading difference(const jsg_reading& newer, const jsg_reading& older);

}  // namespace simulation
