// SPDX-License-Identifier: BSD-2-Clause
// Which of a detector's services jsguard watch shows in full.
#pragma once

#include <cstdint>
#include <vector>

#include "observe/observation.hpp"

namespace jsguard {

// Those with an alert up, then those that are confirming one, then the others, each by port.
std::vector<const ObservedService*> most_alarming_first(const Observation& seen);

class WatchChoice {
  public:
    // fixed_port: shown whatever happens; 0: none.
    explicit WatchChoice(std::uint32_t fixed_port) : port_(fixed_port), fixed_(fixed_port != 0) {}

    // The user's: so many places further down the list, or up.
    void move(const Observation& seen, int places);

    // To be called for each observation. What the user chose stays chosen while it is monitored;
    // otherwise a service with an alert takes the place of one without. Null if there is none.
    const ObservedService* follow(const Observation& seen);

    std::uint32_t port() const { return port_; }

  private:
    std::uint32_t port_;  // 0: none
    bool fixed_;
    bool by_user_ = false;
};

}  // namespace jsguard
