// SPDX-License-Identifier: BSD-2-Clause
// The ring buffer that alerts come through; what is not read stays in it for the next reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "kernel/jsguard.h"

struct ring_buffer;

namespace jsguard {

using AlertHandler = std::function<void(const jsg_alert&)>;

class AlertRing {
  public:
    // map: descriptor of the map "alerts", open for as long as this lives. Throws Error(runtime).
    explicit AlertRing(int map);
    AlertRing(const AlertRing&) = delete;
    AlertRing& operator=(const AlertRing&) = delete;

    // Waits for alerts, and hands on those that came, or so many of them. An alert is taken out of
    // the ring once the handler has returned.
    void poll(int timeout_ms, const AlertHandler& handler, std::size_t most = SIZE_MAX);
    // Takes out what is there, unread: of a version that lays alerts out in another way. How many.
    std::size_t discard();

  private:
    struct Deleter {
        void operator()(ring_buffer* ring) const;
    };

    static int deliver(void* ring, void* data, std::size_t size);

    AlertHandler handler_;
    std::size_t left_ = 0;  // to be taken out by this poll
    std::unique_ptr<ring_buffer, Deleter> ring_;
};

}  // namespace jsguard
