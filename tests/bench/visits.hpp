// SPDX-License-Identifier: BSD-2-Clause
// Connections on loopback: closed by FIN one after the other, or as many as can be.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/kernel/testbed.hpp"

namespace bench {

// Accepted, answered and closed by FIN. Both ends in this thread, so that no other one is waited
// for.
class Visits {
  public:
    // Listens on so many ports from this one on; visits go to them in turn.
    Visits(std::uint16_t first_port, int ports);
    void make(int visits, int pause_ms = 0);
    // So many to each port stay open from here on, silent.
    void hold(int connections);

  private:
    void visit(std::size_t listener);

    std::uint16_t first_port_;
    std::vector<testbed::Socket> listeners_;
    std::vector<testbed::Socket> held_;
    std::uint64_t made_ = 0;
};

// Live connections that take no descriptor, a request open on each: they wait in the listeners'
// queues, their clients have vanished without a word.
class Crowd {
  public:
    // Listens on so many ports from this one on; connections go to them in turn.
    Crowd(std::uint16_t first_port, int ports);
    void grow_to(std::uint32_t connections);

  private:
    std::uint16_t first_port_;
    std::vector<testbed::Socket> listeners_;
    std::uint32_t size_ = 0;
};

}  // namespace bench
