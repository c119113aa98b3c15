// SPDX-License-Identifier: BSD-2-Clause
// Limits the files that this process may use, by Landlock.
#pragma once

#include <vector>

namespace jsguard {

// Whether this kernel has Landlock (5.13 and later, if it is not switched off).
bool can_limit_files();

// Open directories.
struct FileAccess {
    std::vector<int> writable;  // files below them may be read, written, made and removed
    int emptied = -1;           // empty directories in it may be removed
};

// From now on this process may use files only as access says, and may read below /proc. Files that
// are open already are not affected. Needs no_new_privs. Does nothing on a kernel without Landlock.
// Throws Error(runtime).
void limit_files(const FileAccess& access);

}  // namespace jsguard
