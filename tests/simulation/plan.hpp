// SPDX-License-Identifier: BSD-2-Clause
// What a connection does after it was accepted, from beginning to end.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernel/jsguard.h"

namespace simulation {

enum class Act : std::uint8_t {
    wait,     // nothing is sent
    receive,  // the client sends bytes, evenly
    send,     // the client acknowledges bytes of the server, evenly
    enter,    // the socket changes its state
};

struct Stage {
    Act act = Act::wait;
    std::uint8_t state = 0;   // of enter
    std::uint32_t ms = 0;     // how long it takes; 0: it is done at once
    std::uint32_t bytes = 0;  // of receive and send
    std::uint32_t more = 0;   // of send: bytes of the same answer that follow later
};

// Times are in seconds, and become whole milliseconds.
class Plan {
  public:
    const std::vector<Stage>& stages() const { return stages_; }
    void clear() { stages_.clear(); }
    // Whether the connection ends: its last change of state leads to CLOSE, and no other one does.
    bool is_complete() const;

    Plan& wait(double s) { return add({.act = Act::wait, .ms = ms_of(s)}); }
    Plan& request(double bytes, double s = 0) {
        return add({.act = Act::receive, .ms = ms_of(s), .bytes = bytes_of(bytes)});
    }
    // The server computes.
    Plan& work(double s) { return wait(s); }
    Plan& answer(double bytes, double s) {
        return add({.act = Act::send, .ms = ms_of(s), .bytes = bytes_of(bytes)});
    }
    // An answer that stops for some time after a share of its bytes: the client does not read.
    Plan& stalled_answer(double bytes, double s, double share, double stall_s);
    Plan& client_closes(double round_trip_s);
    Plan& server_closes(double round_trip_s);
    // The client has closed its side. After that the server can still answer.
    Plan& client_half_closes() { return enter(JSG_TCP_CLOSE_WAIT, 0); }
    Plan& server_closes_last(double round_trip_s);
    Plan& reset() { return enter(JSG_TCP_CLOSE, 0); }

  private:
    static std::uint32_t ms_of(double s) {
        return static_cast<std::uint32_t>(std::clamp(s * 1000, 0.0, 1e9));
    }
    static std::uint32_t bytes_of(double bytes) {
        return static_cast<std::uint32_t>(std::clamp(bytes, 1.0, 2e9));
    }
    Plan& add(const Stage& stage) {
        stages_.push_back(stage);
        return *this;
    }
    Plan& enter(jsg_tcp_state state, double s) {
        return add({.act = Act::enter, .state = static_cast<std::uint8_t>(state), .ms = ms_of(s)});
    }

    std::vector<Stage> stages_;
};

}  // namespace simulation
