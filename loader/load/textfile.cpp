// SPDX-License-Identifier: BSD-2-Clause
// Replaces the file under its own name and does not follow a link. Otherwise a link in a directory
// that is not root's could make it replace another file.
#include "load/textfile.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/error.hpp"
#include "common/file_replacement.hpp"
#include "common/print.hpp"

namespace jsguard {
namespace {

constexpr const char* kind = "textfile";

std::string cannot(const char* do_what, const std::filesystem::path& file) {
    return fmt::format("cannot {} the {} {}", do_what, kind, printable(file.native()));
}

}  // namespace

// node_exporter does not read the lock file, because its name does not end in .prom.
NameLock::NameLock(const OutputFile& beside, std::string tried, std::string taken)
    : beside_(beside),
      name_(beside.name() + ".lock"),
      tried_(std::move(tried)),
      taken_(std::move(taken)) {
    try {
        renew();
    } catch (...) {
        if (fd_ >= 0) close(fd_);
        throw;
    }
}

NameLock::~NameLock() {
    if (is_ours())
        unlinkat(beside_.directory(), name_.c_str(),
                 0);  // unlink while locked, so that nobody else has it yet
    if (fd_ >= 0) close(fd_);
}

bool NameLock::is_ours() const {
    struct stat locked {};
    struct stat named {};
    return fd_ >= 0 && fstat(fd_, &locked) == 0 &&
           fstatat(beside_.directory(), name_.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
}

void NameLock::renew() {
    constexpr mode_t mode = 0600;  // other users must not open it, because they could lock it
    // Repeat until the locked file has the name: its last holder may have removed the file in
    // between.
    while (!is_ours()) {
        if (fd_ >= 0) close(fd_);
        // O_NOFOLLOW: a link could lead anywhere. O_NONBLOCK: a pipe would block.
        fd_ = openat(beside_.directory(), name_.c_str(),
                     O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode);
        if (fd_ < 0) throw errno_error(ExitCode::runtime, errno, tried_);
        if (flock(fd_, LOCK_EX | LOCK_NB) == 0) continue;
        const int why = errno;
        close(std::exchange(fd_, -1));
        if (why == EWOULDBLOCK) throw Error(ExitCode::runtime, taken_);
        throw errno_error(ExitCode::runtime, why, tried_);
    }
}

Textfile::Textfile(std::filesystem::path file)
    : file_(std::move(file), kind, ExitCode::usage),
      lock_(file_, cannot("write", file_.path()),
            fmt::format("another jsguard-load writes {}; stop it, or give this one its own "
                        "textfile",
                        printable(file_.path().native()))) {}

Textfile::~Textfile() {
    try {
        lock_.renew();
    } catch (const Error&) {
        return;  // the directory is removed, or another process has the name now
    }
    const int failure = file_.remove();
    if (failure == 0 || failure == ENOENT) return;
    const Error error = errno_error(ExitCode::runtime, failure, cannot("remove", file_.path()),
                                    "remove it, because its figures are outdated");
    log_line(error.what());
}

int Textfile::directory() const { return file_.directory(); }

std::string Textfile::report(const std::string& failure) {
    const bool known = failure == failure_;
    failure_ = failure;
    return known ? "" : failure;
}

std::string Textfile::write(const std::function<std::optional<std::string>()>& text) {
    try {
        const auto figures = text();
        if (!figures) return "";
        // A directory that was made again is another one. By Landlock this process may write only
        // in the one that it opened.
        if (!file_.directory_is_at_its_path())
            return report(cannot("write", file_.path()) +
                          ": its directory was removed or replaced; restart jsguard-load");
        lock_.renew();  // somebody may have removed the lock file
        file_.replace(*figures, Durability::left_to_kernel);
        return std::exchange(failure_, {}).empty() ? ""
                                                   : fmt::format("the {} {} is written again", kind,
                                                                 printable(file_.path().native()));
    } catch (const std::exception& error) {
        return report(fmt::format("{}; it is tried again each step", error.what()));
    }
}

}  // namespace jsguard
