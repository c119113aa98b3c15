// SPDX-License-Identifier: BSD-2-Clause
// The plan of an honest visitor. All of it is drawn from the seed before the connection is opened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "visits.hpp"

namespace honest {

enum class Profile {
    short_lived,
    browsers,
    uploads,            // one upload for each connection, at a constant pace
    downloads,          // one download for each connection, at a constant pace
    polls,              // requests that the server answers late
    websockets,         // a small message every 8 to 12 s
    websocket_senders,  // a small message every 4 to 6 s
    realistic,          // lifetimes with a long tail, and some connections that are never used
};

// How a connection ends once its requests are answered.
enum class Ending {
    server_closes_now,   // the last request has Connection: close
    client_closes,       // after a last pause
    server_closes_idle,  // the client waits for the server's keep-alive time-out
    aborted_with_reset,  // before the answer is complete
    aborted_with_close,  // before the answer is complete
};

struct Plan {
    // Before each request: first after connect, then think times. Empty: the connection is never
    // used, and the client closes it after last_pause_s.
    std::vector<double> pauses_s;
    double last_pause_s = 0;      // before client_closes
    double bytes_per_second = 0;  // pace of reading answers; 0: as fast as they come
    std::size_t abort_after = 0;  // bytes of the answer before an abort
    bool large = false;           // requests the large file
    int receive_buffer = 0;      // 0: small, so that the server notices the pace; < 0: the kernel's
    std::size_t body_bytes = 0;  // of an upload, sent at bytes_per_second; 0: no upload
    double message_every_s = 0;  // of a WebSocket; 0: no WebSocket
    std::uint32_t source = 0;    // IPv4 source address, in network order; 0: any
    Ending ending = Ending::server_closes_now;
};

// How realistic visitors differ.
struct Realism {
    double unused_share = visits::unused_share;
    double unused_s = 2;  // longest time that an unused connection stays open
};

// Draws the arrivals and plans of one target. Equal seeds give equal visitors, whatever the server
// does.
class Visitors {
  public:
    // pace: bytes a second of uploads and downloads.
    Visitors(Profile profile, double rate, int burst_size, double burst_every_s, double pace,
             unsigned seed, Realism realism = {})
        : random_(seed),
          profile_(profile),
          pace_(pace),
          realism_(realism),
          rate_(rate),
          burst_size_(burst_size),
          burst_every_s_(burst_every_s),
          next_s_(between(0, 1 / rate)),
          burst_s_(between(0, burst_every_s)) {}

    // Seconds from the start to the next arrival.
    double next_arrival_s() const { return bursting() ? burst_s_ : next_s_; }

    Plan arrive() {
        if (bursting()) {
            if (++in_burst_ >= burst_size_) {
                in_burst_ = 0;
                burst_s_ += burst_every_s_;
            }
        } else {
            next_s_ += std::exponential_distribution<>(rate_)(random_);
        }
        switch (profile_) {
            case Profile::short_lived:
                return short_visit();
            case Profile::browsers:
                return browser();
            case Profile::uploads:
                return upload();
            case Profile::downloads:
                return download();
            case Profile::polls:
                return polls();
            case Profile::websockets:
                return websocket(between(8, 12));
            case Profile::websocket_senders:
                return websocket(between(4, 6));
            case Profile::realistic:
                return realistic();
        }
        return {};
    }

  private:
    bool bursting() const { return burst_size_ > 0 && burst_s_ <= next_s_; }
    double between(double low, double high) {
        return std::uniform_real_distribution<>(low, high)(random_);
    }
    double line_speed() { return between(350e3, 2e6); }  // bytes a second
    int one_of(int low, int high) { return std::uniform_int_distribution<>(low, high)(random_); }

    Plan short_visit() {
        const double kind = between(0, 1);
        Plan plan;
        plan.pauses_s = {0};
        if (kind < 0.45) {  // one request
            return plan;
        }
        if (kind < 0.75) {  // a few on one connection
            for (int more = one_of(1, 4); more > 0; more--)
                plan.pauses_s.push_back(between(0.05, 1));
            plan.last_pause_s = between(0, 0.5);
            plan.ending = Ending::client_closes;
            return plan;
        }
        plan.large = true;
        plan.bytes_per_second = line_speed();
        if (kind < 0.9) return plan;  // a download
        plan.ending = kind < 0.95 ? Ending::aborted_with_reset : Ending::aborted_with_close;
        plan.abort_after = between(0, 1) < 0.3 ? 0 : static_cast<std::size_t>(one_of(1, 500'000));
        return plan;
    }

    Plan browser() {
        Plan plan;
        const bool ahead_of_use = between(0, 1) < 0.1;
        plan.pauses_s = {ahead_of_use ? between(1, 5) : 0};
        for (int more = one_of(0, 4); more > 0; more--) plan.pauses_s.push_back(between(0.02, 2));
        if (between(0, 1) < 0.05) {  // a large file over a slow line
            plan.large = true;
            plan.bytes_per_second = line_speed();
        }
        plan.ending = Ending::server_closes_idle;
        return plan;
    }

    Plan upload() {
        Plan plan;
        plan.pauses_s = {0};
        plan.bytes_per_second = pace_;
        plan.body_bytes = static_cast<std::size_t>(between(30, 300) * pace_);  // takes 30 to 300 s
        return plan;
    }

    Plan download() {
        Plan plan;
        plan.pauses_s = {0};
        plan.large = true;
        plan.bytes_per_second = pace_;
        return plan;
    }

    Plan polls() {
        Plan plan;
        for (int asked = one_of(1, 6); asked > 0; asked--)
            plan.pauses_s.push_back(between(0.01, 0.5));
        plan.ending = Ending::client_closes;
        return plan;
    }

    Plan websocket(double message_every_s) {
        Plan plan;
        plan.pauses_s = {0};
        plan.message_every_s = message_every_s;
        plan.ending = Ending::server_closes_idle;
        return plan;
    }

    // Half of the connections that are used have one request, a tenth downloads. The others have a
    // lifetime with a long tail.
    Plan realistic() {
        Plan plan;
        if (between(0, 1) < realism_.unused_share) {
            plan.last_pause_s = between(0, realism_.unused_s);
            plan.ending = Ending::client_closes;
            return plan;
        }
        plan.pauses_s = {between(0, 1) < 0.1 ? between(0, 1) : 0};
        const double kind = between(0, 1);
        if (kind < visits::one_request_share) return plan;
        constexpr double downloads_to = visits::one_request_share + 0.1;
        if (kind < downloads_to) {
            plan.large = true;
            plan.bytes_per_second = line_speed();
            if (kind < downloads_to - visits::aborted_share) return plan;
            plan.ending = kind < downloads_to - visits::aborted_share / 2
                              ? Ending::aborted_with_reset
                              : Ending::aborted_with_close;
            plan.abort_after =
                between(0, 1) < 0.3 ? 0 : static_cast<std::size_t>(one_of(1, 500'000));
            return plan;
        }
        const double lifetime_s = visits::draw_lifetime_s(random_);
        visits::ThinkTime think;
        double planned_s = plan.pauses_s.front();
        while (planned_s < lifetime_s) {
            plan.pauses_s.push_back(think.draw_s(random_));
            planned_s += plan.pauses_s.back();
        }
        plan.last_pause_s = between(0, 2);
        plan.ending = kind < 0.95 ? Ending::client_closes : Ending::server_closes_idle;
        return plan;
    }

    std::mt19937 random_;
    Profile profile_;
    double pace_;
    Realism realism_;
    double rate_;
    int burst_size_;
    double burst_every_s_;
    double next_s_;
    double burst_s_;
    int in_burst_ = 0;
};

}  // namespace honest
