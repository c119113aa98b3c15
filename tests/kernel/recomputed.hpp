// SPDX-License-Identifier: BSD-2-Clause
// What the window records should contain, computed from the readings by the native arithmetic.
#pragma once

#include <cstdint>
#include <map>

#include "tests/measured_window.hpp"
#include "watched.hpp"

namespace testbed {

// All readings of a service. The detector itself keeps them only for a short time.
class ReadingLog {
  public:
    ReadingLog(const Watched& watched, std::uint32_t service_id)
        : watched_(watched), service_id_(service_id) {}
    // Copies the readings that came since the last call. Call it before the detector drops them.
    void take();
    // Reading 0 is the one before the first step.
    const jsg_reading& at(std::uint64_t sequence) const;

  private:
    const Watched& watched_;
    std::uint32_t service_id_;
    std::map<std::uint64_t, jsg_reading> readings_;
};

// Checks the signals of a record, except the verdicts, against the readings at the window's two
// ends. normal: nullptr for the generic baseline, which has no transitions.
void check_record(const Watched& watched, const jsg_window& record, const jsg_reading& newer,
                  const jsg_reading& older, const jsg_baseline* normal);

}  // namespace testbed
