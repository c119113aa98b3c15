// SPDX-License-Identifier: BSD-2-Clause
// Limits the files that this process may use, by Landlock.
#pragma once

#include <string>
#include <vector>

namespace jsguard {

// Whether the kernel can limit the files of a process.
struct FileLimits {
    int version = 0;  // of Landlock; 0: it cannot
    int error = 0;    // errno, why it cannot

    bool available() const { return version > 0; }
    // The kernel does not say that it lacks Landlock, and does not offer it either. A filter of
    // system calls does that, for example.
    bool is_unexpected() const;
};

// answer, error: result and errno of the system call that asks for the version.
FileLimits file_limits_of(long answer, int error);
FileLimits file_limits_here();

// "limited by Landlock, version 3", or "not limited: " and the reason.
std::string text_of(const FileLimits& limits);

// What a process does with files after limit_files(). Open directories; -1: none.
struct FileAccess {
    std::vector<int> outputs;      // files in them are read, replaced and removed
    int pin_directory = -1;        // pins and directories in it are opened, renamed and removed
    int above_pin_directory = -1;  // empty directories in it are removed
};

// From now on this process may use files only as access says, and may read below /proc. Files that
// are open already are not affected. Needs no_new_privs. Returns what this kernel offers: if it has
// no limits, nothing is limited. Throws Error(runtime).
FileLimits limit_files(const FileAccess& access);

}  // namespace jsguard
