// SPDX-License-Identifier: BSD-2-Clause
// Reads the ring buffer of alerts. An alert that is not read remains there for the next reader.
#include "load/alert_ring.hpp"

#include <bpf/libbpf.h>

#include <cerrno>

#include "common/error.hpp"

namespace jsguard {
void AlertRing::Deleter::operator()(ring_buffer* ring) const { ring_buffer__free(ring); }

AlertRing::AlertRing(int map) : ring_(ring_buffer__new(map, deliver, this, nullptr)) {
    if (!ring_) throw errno_error(ExitCode::runtime, errno, "cannot open the ring buffer");
}

int AlertRing::deliver(void* ring, void* data, std::size_t size) {
    auto& self = *static_cast<AlertRing*>(ring);
    if (size >= sizeof(jsg_alert) && self.handler_)
        self.handler_(*static_cast<const jsg_alert*>(data));
    // An error ends the poll. libbpf still takes this alert out of the ring.
    return --self.left_ ? 0 : -ECANCELED;
}

std::size_t AlertRing::discard() {
    poll(0, nullptr);
    return SIZE_MAX - left_;
}

void AlertRing::poll(int timeout_ms, const AlertHandler& handler, std::size_t max) {
    handler_ = handler;
    left_ = max;
    const int result = ring_buffer__poll(ring_.get(), timeout_ms);
    if (result < 0 && result != -EINTR && result != -ECANCELED)
        throw errno_error(ExitCode::runtime, -result, "cannot read the ring buffer");
}

}  // namespace jsguard
