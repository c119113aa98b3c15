// SPDX-License-Identifier: BSD-2-Clause
// Connections that are accepted, answered and closed by FIN, one after the other, on loopback.
#pragma once

#include <cstdint>
#include <vector>

#include "testbed.hpp"

namespace bench {

// Both ends in this thread, so that no other one is waited for.
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

}  // namespace bench
