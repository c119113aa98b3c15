// SPDX-License-Identifier: BSD-2-Clause
// What the records should say, computed from the readings by the native arithmetic.
#pragma once

#include <cstdint>
#include <map>

#include "tests/measured_window.hpp"
#include "watched.hpp"

namespace testbed {

// The readings of a service, which the detector itself keeps for a short while only.
class ReadingLog {
  public:
    ReadingLog(const Watched& watched, std::uint32_t service_id)
        : watched_(watched), place_(service_id) {}
    // Takes those that came since the last call; to be called more often than they are lost.
    void take();
    // Number 0 is that before the first step.
    const jsg_reading& at(std::uint64_t sequence) const;

  private:
    const Watched& watched_;
    std::uint32_t place_;
    std::map<std::uint64_t, jsg_reading> readings_;
};

// Checks what a record says of the signals, but for the verdicts, with the readings of its ends.
// normal: none for the built-in baseline, which transitions have none of.
void check_record(const Watched& watched, const jsg_window& record, const jsg_reading& newer,
                  const jsg_reading& older, const jsg_baseline* normal);

}  // namespace testbed
