// SPDX-License-Identifier: BSD-2-Clause
// A usual service: its baseline, and a crowd of its clients.
#pragma once

#include <deque>
#include <utility>

#include "watched.hpp"

namespace testbed {

inline void add(jsg_baseline& baseline, __u32 from, __u32 to, __u32 count) {
    baseline.transition_counts[jsg_transition_cell(from, to)] += count;
    baseline.transitions += count;
}

// A minute of a service at 10 connections a second. Each connection is half a second in its
// request, and then its client closes it.
inline jsg_baseline usual_baseline() {
    jsg_baseline baseline{};
    baseline.learned_s = 60;
    baseline.exchanges = 600;
    add(baseline, JSG_TCP_LISTEN, JSG_TCP_SYN_RECV, 600);
    add(baseline, JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED, 600);
    add(baseline, JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE_WAIT, 600);
    add(baseline, JSG_TCP_CLOSE_WAIT, JSG_TCP_LAST_ACK, 600);
    add(baseline, JSG_TCP_LAST_ACK, JSG_TCP_CLOSE, 600);
    baseline.occupancy_socket_seconds[JSG_REQUEST_SLOW * JSG_AGES] = 300;
    baseline.judged_socket_seconds = 300;
    return baseline;
}

// Opens connections at a steady rate, and closes each after its lifetime.
class Crowd {
  public:
    Crowd(const Socket& listener, std::uint16_t port) : listener_(listener), port_(port) {}

    template <typename Condition>
    bool run(Watched& w, double rate, double lifetime_s, double max_s, Condition until) {
        const double start = now_s();
        for (double next = start; !until(); pause_ms(2)) {
            const double now = now_s();
            if (now > start + max_s) return false;
            for (; next <= now; next += 1 / rate)
                open_.push_back({next, std::move(connect_clients(listener_, port_, 1).front())});
            while (!open_.empty() && open_.front().since + lifetime_s <= now) {
                open_.front().ends.server.close();
                open_.pop_front();
            }
            w.take_alerts();
        }
        return true;
    }
    std::size_t open() const { return open_.size(); }

  private:
    struct Open {
        double since;
        Ends ends;
    };
    const Socket& listener_;
    std::uint16_t port_;
    std::deque<Open> open_;
};

}  // namespace testbed
