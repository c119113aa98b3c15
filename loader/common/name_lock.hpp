// SPDX-License-Identifier: BSD-2-Clause
// A name in the file system that one process at a time can hold.
#pragma once

#include <filesystem>
#include <string>

namespace jsguard {

// An empty file with that name is there, and locked, while it is held. The lock ends with its
// process, however that ends; after SIGKILL the file stays, and whoever comes next takes it.
class NameLock {
  public:
    // Throws Error(runtime): with the text taken if another holds it; one that begins with tried if
    // it cannot be had.
    NameLock(std::filesystem::path name, std::string tried, std::string taken);
    // Removes the file.
    ~NameLock();
    NameLock(const NameLock&) = delete;
    NameLock& operator=(const NameLock&) = delete;

    // Takes the name again if the file is no longer ours. Throws as the constructor does.
    void renew();

  private:
    // Whether the file under this name is the one that is locked.
    bool is_ours() const;

    std::filesystem::path name_;
    std::string tried_;
    std::string taken_;
    int fd_ = -1;
};

}  // namespace jsguard
