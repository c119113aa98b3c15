// SPDX-License-Identifier: BSD-2-Clause
// Reads the ring buffer of alerts. An alert that is not read remains there for the next reader.
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
    // map: descriptor of the map "alerts". It must remain open while this object exists. Throws
    // Error(runtime).
    explicit AlertRing(int map);
    AlertRing(const AlertRing&) = delete;
    AlertRing& operator=(const AlertRing&) = delete;

    // Waits for alerts and passes them to handler, at most max of them. An alert leaves the ring
    // when the handler has returned.
    void poll(int timeout_ms, const AlertHandler& handler, std::size_t max = SIZE_MAX);
    // Removes all alerts without reading them, because another version with another layout of
    // alerts wrote them. Returns how many.
    std::size_t discard();

  private:
    struct Deleter {
        void operator()(ring_buffer* ring) const;
    };

    static int deliver(void* ring, void* data, std::size_t size);

    AlertHandler handler_;
    std::size_t left_ = 0;  // alerts that this poll may still take out
    std::unique_ptr<ring_buffer, Deleter> ring_;
};

}  // namespace jsguard
