// SPDX-License-Identifier: BSD-2-Clause
// Chooses the service that jsguard watch shows in full.
#pragma once

#include <cstdint>
#include <vector>

#include "observe/observation.hpp"

namespace jsguard {

// Services with an alert first, then services that confirm one, then the others. Each group is
// sorted by port.
std::vector<const ObservedService*> most_alarming_first(const Observation& seen);

class WatchChoice {
  public:
    // fixed_port: the port that is always shown; 0: none.
    explicit WatchChoice(std::uint32_t fixed_port) : port_(fixed_port), fixed_(fixed_port != 0) {}

    // Moves the user's choice down the list by this many rows, or up if rows is negative.
    void move(const Observation& seen, int rows);

    // Returns the service to show, or null if there is none. Call it for each observation. A
    // service that the user chose is kept while it is monitored. Otherwise a service with an alert
    // replaces one without.
    const ObservedService* follow(const Observation& seen);

    std::uint32_t port() const { return port_; }

  private:
    std::uint32_t port_;  // 0: none
    bool fixed_;
    bool by_user_ = false;
};

}  // namespace jsguard
