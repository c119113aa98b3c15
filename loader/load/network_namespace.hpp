// SPDX-License-Identifier: BSD-2-Clause
// Network namespaces: found by path, by process or all of them, and entered for a moment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "common/file_replacement.hpp"

namespace jsguard {

// An open descriptor of one; it stays while this does.
class NetworkNamespace {
  public:
    // A path such as /run/netns/web, or the id of a process in it. Throws Error(usage) if there is
    // none.
    static NetworkNamespace open(const std::string& path_or_pid);
    // Runs a function in each that some process is in, but the own one. Returns how many it could
    // not be run in.
    static std::size_t run_inside_others(const std::function<void()>& function);

    // Its number, as "ls -Li" shows it for the path and "readlink /proc/PID/ns/net" for a process.
    std::uint32_t inode() const { return inode_; }
    // Runs a function in a thread inside, so that this one stays where it is; its exception is
    // thrown here.
    void run_inside(const std::function<void()>& function) const;

  private:
    NetworkNamespace(int fd, std::uint32_t inode) : fd_(fd), inode_(inode) {}

    FileDescriptor fd_;
    std::uint32_t inode_;
};

}  // namespace jsguard
