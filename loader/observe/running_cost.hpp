// SPDX-License-Identifier: BSD-2-Clause
// What a running detector's programs and maps cost, found by the maps that they share.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "common/file_replacement.hpp"
#include "observe/observation.hpp"

namespace jsguard {

// Of a detector that this very process has loaded or joined; open for as long as they are used.
struct OwnDescriptors {
    std::vector<int> programs;
    std::vector<int> maps;  // all of them
};

class RunningCost {
  public:
    // map_fds: of maps that the detector's programs use, by which those are looked for. Throws
    // Error(runtime).
    explicit RunningCost(const std::vector<int>& map_fds);
    // Needs no privilege, then or later.
    explicit RunningCost(OwnDescriptors own);

    // As it is now; .ticks is left to the caller. Throws Error(runtime).
    Cost read() const;

  private:
    void find_start();

    std::vector<FileDescriptor> found_;  // programs that were looked for
    OwnDescriptors own_;                 // programs: those that were found, too
    std::uint64_t load_ns_ = 0;          // CLOCK_BOOTTIME, of the first of them
    std::uint64_t start_unix_ms_ = 0;    // the same, since 1970
    // No descriptors: a reader that held the timer's map open would keep it ticking when the loader
    // has gone.
    std::set<std::uint32_t> maps_;  // identifiers
};

}  // namespace jsguard
