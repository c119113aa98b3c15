// SPDX-License-Identifier: BSD-2-Clause
// Whether a process holds the lock on a directory, found out without taking it.
#pragma once

#include <sys/types.h>

#include <istream>
#include <optional>
#include <string>

namespace jsguard {

// Whether the lines of /proc/locks tell of one who has locked that inode by flock(); one who only
// waits for it has not.
bool tells_of_lock(std::istream& locks, dev_t device, ino_t inode);

// None where it cannot be told: the directory is not there, /proc/locks is not, or it leaves out
// the processes of other PID namespaces.
std::optional<bool> is_locked(const std::string& directory);

}  // namespace jsguard
