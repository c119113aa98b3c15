// SPDX-License-Identifier: BSD-2-Clause
// Finds network namespaces by path or by process, and runs functions inside them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "common/file_replacement.hpp"

namespace jsguard {

// An open network namespace. The kernel keeps the namespace while this object exists.
class NetworkNamespace {
  public:
    // given: a name that `ip netns` lists, a path, or the id of a process in the namespace. Throws
    // Error(usage) if there is no such namespace, Error(not_permitted) if it may not be opened.
    static NetworkNamespace open(const std::string& given);
    // Runs a function in every network namespace that has a process, except this process's own.
    // Returns in how many namespaces it could not run.
    static std::size_t run_inside_others(const std::function<void()>& function);

    // The inode number of the namespace, as shown by "ls -Li PATH" and "readlink /proc/PID/ns/net".
    std::uint32_t inode() const { return inode_; }
    // Runs a function inside the namespace, in a new thread, so that this thread does not change
    // its namespace. Rethrows the function's exception here.
    void run_inside(const std::function<void()>& function) const;

  private:
    NetworkNamespace(int fd, std::uint32_t inode) : fd_(fd), inode_(inode) {}

    FileDescriptor fd_;
    std::uint32_t inode_;
};

}  // namespace jsguard
