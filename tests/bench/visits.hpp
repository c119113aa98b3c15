// SPDX-License-Identifier: BSD-2-Clause
// Connections on loopback: closed by FIN one after the other, or as many live ones as possible.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/kernel/testbed.hpp"

namespace bench {

// Connections that are accepted, answered and closed by FIN. Both ends are in this thread, so it
// waits for no other thread.
class Visits {
  public:
    // Listens on this number of ports, from first_port on. Visits go to them in turn.
    Visits(std::uint16_t first_port, int ports);
    void make(int visits, int pause_ms = 0);
    // Opens this number of silent connections to each port, and keeps them open.
    void keep_open(int connections);

  private:
    void visit(std::size_t listener);

    std::uint16_t first_port_;
    std::vector<testbed::Socket> listeners_;
    std::vector<testbed::Socket> open_;
    std::uint64_t made_ = 0;
};

// Live connections that take no descriptor. Each has an open request and waits in the listener's
// queue. Its client has vanished without closing it.
class Crowd {
  public:
    // Listens on this number of ports, from first_port on. Connections go to them in turn.
    Crowd(std::uint16_t first_port, int ports);
    void grow_to(std::uint32_t connections);

  private:
    std::uint16_t first_port_;
    std::vector<testbed::Socket> listeners_;
    std::uint32_t size_ = 0;
};

}  // namespace bench
