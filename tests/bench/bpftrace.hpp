// SPDX-License-Identifier: BSD-2-Clause
// A bpftrace in a child process, and the BPF programs that it has loaded.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "common/file_replacement.hpp"

namespace bench {

class RunningBpftrace {
  public:
    // Starts bpftrace, and returns a moment after it has loaded its program. Throws if bpftrace is
    // not installed or cannot attach.
    explicit RunningBpftrace(const std::string& script);
    ~RunningBpftrace();
    RunningBpftrace(const RunningBpftrace&) = delete;
    RunningBpftrace& operator=(const RunningBpftrace&) = delete;

    // File descriptors, valid as long as this object exists.
    std::vector<int> programs() const;

  private:
    void find_programs(const std::set<std::uint32_t>& before);
    void end();

    pid_t process_ = -1;
    std::vector<jsguard::FileDescriptor> programs_;
};

}  // namespace bench
