// SPDX-License-Identifier: BSD-2-Clause
// What a connection does after it was accepted, from beginning to end.
#include "tests/simulation/plan.hpp"

namespace simulation {

bool Plan::is_complete() const {
    const auto closes = [](const Stage& stage) {
        return stage.act == Act::enter && stage.state == JSG_TCP_CLOSE;
    };
    return !stages_.empty() && closes(stages_.back()) &&
           std::count_if(stages_.begin(), stages_.end(), closes) == 1;
}

Plan& Plan::stalled_answer(double bytes, double s, double share, double stall_s) {
    const std::uint32_t all = bytes_of(bytes);
    const auto first = static_cast<std::uint32_t>(all * share);
    add({.act = Act::send, .ms = ms_of(s * share), .bytes = first, .more = all - first});
    wait(stall_s);
    return add({.act = Act::send, .ms = ms_of(s * (1 - share)), .bytes = all - first});
}

Plan& Plan::client_closes(double round_trip_s) {
    client_half_closes();
    return server_closes_last(round_trip_s);
}

Plan& Plan::server_closes_last(double round_trip_s) {
    enter(JSG_TCP_LAST_ACK, round_trip_s);
    return enter(JSG_TCP_CLOSE, 0);
}

Plan& Plan::server_closes(double round_trip_s) {
    enter(JSG_TCP_FIN_WAIT1, round_trip_s);
    enter(JSG_TCP_FIN_WAIT2, round_trip_s);
    return enter(JSG_TCP_CLOSE, 0);
}

}  // namespace simulation
