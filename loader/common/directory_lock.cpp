// SPDX-License-Identifier: BSD-2-Clause
// Checks whether a process holds the lock on a directory, without taking the lock.
#include "common/directory_lock.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdint>
#include <fstream>
#include <sstream>

namespace jsguard {
namespace {

constexpr const char* locks_file = "/proc/locks";
// The kernel returns the file in pieces, and may skip a line between two of them. So the file is
// read several times.
constexpr int max_attempts = 3;

// Only the first PID namespace shows the locks of all processes. Its inode is PROC_PID_INIT_INO in
// the kernel.
bool sees_every_process() {
    constexpr std::uint32_t first_pid_namespace = 0xEFFFFFFC;
    struct stat own {};
    return stat("/proc/self/ns/pid", &own) == 0 && own.st_ino == first_pid_namespace;
}

}  // namespace

bool lists_lock(std::istream& locks, dev_t device, ino_t inode) {
    const std::string inode_text =
        fmt::format("{:02x}:{:02x}:{}", major(device), minor(device), inode);
    for (std::string line; std::getline(locks, line);) {
        std::istringstream words(line);
        std::string number, kind, binding, access, pid, locked;
        words >> number >> kind >> binding >> access >> pid >> locked;
        if (kind == "FLOCK" && locked == inode_text) return true;
    }
    return false;
}

std::optional<bool> is_locked(const std::string& directory) {
    struct stat info {};
    if (stat(directory.c_str(), &info) != 0) return {};
    for (int i = 0; i < max_attempts; ++i) {
        std::ifstream locks(locks_file);
        if (!locks) return {};
        if (lists_lock(locks, info.st_dev, info.st_ino)) return true;
    }
    return sees_every_process() ? std::optional(false) : std::nullopt;
}

}  // namespace jsguard
