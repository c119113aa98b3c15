// SPDX-License-Identifier: BSD-2-Clause
// A name in the file system that one process at a time can hold.
#include "common/name_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/error.hpp"

namespace jsguard {

NameLock::NameLock(std::filesystem::path name, std::string tried, std::string taken)
    : name_(std::move(name)), tried_(std::move(tried)), taken_(std::move(taken)) {
    try {
        renew();
    } catch (...) {
        if (fd_ >= 0) close(fd_);
        throw;
    }
}

NameLock::~NameLock() {
    if (is_ours()) unlink(name_.c_str());  // while locked: nobody else holds it yet
    if (fd_ >= 0) close(fd_);
}

bool NameLock::is_ours() const {
    struct stat locked {};
    struct stat named {};
    return fd_ >= 0 && fstat(fd_, &locked) == 0 && lstat(name_.c_str(), &named) == 0 &&
           locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
}

void NameLock::renew() {
    constexpr mode_t mode = 0600;  // who can open it could lock it
    // Until what is locked has the name: the one before may have removed it in between.
    while (!is_ours()) {
        if (fd_ >= 0) close(fd_);
        // A link could lead anywhere, and a pipe would make us wait.
        fd_ = open(name_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode);
        if (fd_ < 0) throw errno_error(ExitCode::runtime, errno, tried_);
        if (flock(fd_, LOCK_EX | LOCK_NB) == 0) continue;
        const int why = errno;
        close(std::exchange(fd_, -1));
        if (why == EWOULDBLOCK) throw Error(ExitCode::runtime, taken_);
        throw errno_error(ExitCode::runtime, why, tried_);
    }
}

}  // namespace jsguard
