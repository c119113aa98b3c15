// SPDX-License-Identifier: BSD-2-Clause
// What the programs and maps of a running detector cost.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "common/file_replacement.hpp"
#include "observe/observation.hpp"

namespace jsguard {

// Descriptors of a detector that this process has loaded or joined. They must remain open while
// they are in use.
struct OwnDescriptors {
    std::vector<int> programs;
    std::vector<int> maps;  // all maps of the detector
};

class RunningCost {
  public:
    // Finds the detector's programs: those that use one of these maps. Throws Error(runtime).
    explicit RunningCost(const std::vector<int>& map_fds);
    // Needs no privilege, neither here nor in read().
    explicit RunningCost(OwnDescriptors own);

    // The present cost without .ticks, which the caller fills in. Throws Error(runtime).
    Cost read() const;

  private:
    void find_start();

    std::vector<FileDescriptor> found_;  // programs that the constructor found
    OwnDescriptors own_;                 // .programs includes those in found_
    std::uint64_t load_ns_ = 0;          // CLOCK_BOOTTIME, of the program that was loaded first
    std::uint64_t start_unix_ms_ = 0;    // the same, since 1970
    // IDs and no descriptors: an open descriptor of the timer's map would keep the timer ticking
    // after the loader has ended.
    std::set<std::uint32_t> maps_;
};

}  // namespace jsguard
