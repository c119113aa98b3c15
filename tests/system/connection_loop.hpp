// SPDX-License-Identifier: BSD-2-Clause
// An epoll loop over many connections of one thread. Each connection has a time at which it is due.
#pragma once

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "own_load.hpp"
#include "program.hpp"

// Connection has these functions:
//   int fd() const;
//   std::uint32_t wanted_events() const;   for epoll
//   double due() const;                    the time at which the loop calls on_due()
//   bool on_ready(double now);             false: the connection is over, the loop destroys it
//   bool on_due(double now);               the same
template <typename Connection>
class ConnectionLoop {
  public:
    explicit ConnectionLoop(OwnLoad& load) : load_(load), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
        if (epoll_ < 0) throw std::system_error(errno, std::generic_category(), "epoll_create1");
    }
    ~ConnectionLoop() { close(epoll_); }
    ConnectionLoop(const ConnectionLoop&) = delete;
    ConnectionLoop& operator=(const ConnectionLoop&) = delete;

    std::size_t size() const { return open_.size(); }
    std::size_t max_size() const { return max_size_; }

    void add(std::unique_ptr<Connection> connection) {
        const std::uint64_t id = ++last_id_;
        Open& open = open_[id];
        open.connection = std::move(connection);
        max_size_ = std::max(max_size_, open_.size());
        watch(EPOLL_CTL_ADD, id, open);
        plan_wake(id, open);
    }

    // Wakes all connections that are due. Then it waits for events until this time.
    void run_once(double until_s) {
        wake_due();
        wait(until_s);
        load_.check(now_s());
    }

  private:
    struct Open {
        std::unique_ptr<Connection> connection;
        std::uint32_t events = 0;   // that epoll reports
        double woken_s = INFINITY;  // time of the earliest entry in wake_
    };
    struct Wake {
        double at_s;
        std::uint64_t id;
        bool operator>(const Wake& other) const { return at_s > other.at_s; }
    };

    void watch(int operation, std::uint64_t id, Open& open) {
        epoll_event event = {};
        event.events = open.events = open.connection->wanted_events();
        event.data.u64 = id;
        if (epoll_ctl(epoll_, operation, open.connection->fd(), &event) != 0)
            throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    }

    // One entry for each connection is enough: wake_due() puts an early one back.
    void plan_wake(std::uint64_t id, Open& open) {
        if (open.connection->due() >= open.woken_s) return;
        open.woken_s = open.connection->due();
        wake_.push({open.woken_s, id});
    }

    void wake_due() {
        while (!wake_.empty() && wake_.top().at_s <= now_s()) {
            const Wake wake = wake_.top();
            wake_.pop();
            const auto found = open_.find(wake.id);
            if (found == open_.end() || found->second.woken_s != wake.at_s) continue;
            Open& open = found->second;
            open.woken_s = INFINITY;
            const double now = now_s();
            if (open.connection->due() > now) {
                plan_wake(wake.id, open);
                continue;
            }
            load_.acted(now - open.connection->due());
            settle(wake.id, open, open.connection->on_due(now));
        }
    }

    void settle(std::uint64_t id, Open& open, bool goes_on) {
        if (!goes_on) {
            open_.erase(id);
            return;
        }
        if (open.connection->wanted_events() != open.events) watch(EPOLL_CTL_MOD, id, open);
        plan_wake(id, open);
    }

    void wait(double until_s) {
        double next = std::min(until_s, now_s() + 0.5);
        if (!wake_.empty()) next = std::min(next, wake_.top().at_s);
        const double left_s = std::max(next - now_s(), 0.0);
        std::array<epoll_event, 256> events;
        const int count = epoll_wait(epoll_, events.data(), events.size(),
                                     static_cast<int>(std::ceil(left_s * 1000)));
        if (count < 0 && errno != EINTR)
            throw std::system_error(errno, std::generic_category(), "epoll_wait");
        for (int i = 0; i < count; i++) {
            const auto found = open_.find(events[i].data.u64);
            if (found == open_.end()) continue;
            Open& open = found->second;
            settle(found->first, open, open.connection->on_ready(now_s()));
        }
    }

    OwnLoad& load_;
    int epoll_;
    std::unordered_map<std::uint64_t, Open> open_;
    std::priority_queue<Wake, std::vector<Wake>, std::greater<>> wake_;
    std::uint64_t last_id_ = 0;
    std::size_t max_size_ = 0;
};
