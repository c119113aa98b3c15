// SPDX-License-Identifier: BSD-2-Clause
// Checks whether a process holds the lock on a directory, without taking the lock.
#pragma once

#include <sys/types.h>

#include <istream>
#include <optional>
#include <string>

namespace jsguard {

// Whether the lines of /proc/locks list a lock by flock() on that inode. A process that only waits
// for the lock does not count.
bool lists_lock(std::istream& locks, dev_t device, ino_t inode);

// Whether the directory is locked. None if that is unknown: the directory or /proc/locks is
// missing, or /proc/locks leaves out the processes of other PID namespaces.
std::optional<bool> is_locked(const std::string& directory);

}  // namespace jsguard
