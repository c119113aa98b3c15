// SPDX-License-Identifier: BSD-2-Clause
// Replaces a file: writes a temporary file in the same directory and renames it.
#include "common/file_replacement.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace jsguard {
namespace {

namespace fs = std::filesystem;

constexpr mode_t file_mode = 0644;

fs::path directory_of(const fs::path& path) {
    return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

int open_directory(const fs::path& path) {
    return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

// A new file beside another one, which is removed unless it is renamed.
class TemporaryFile {
  public:
    TemporaryFile(int directory, const std::string& beside) : directory_(directory) {
        constexpr int max_tries = 100;
        for (int tries = 0; tries < max_tries && file_.get() < 0; ++tries) {
            std::uint32_t random = 0;
            if (getrandom(&random, sizeof(random), 0) != sizeof(random)) return;
            name_ = fmt::format("{}.{:08x}", beside, random);
            file_ = FileDescriptor(openat(directory, name_.c_str(),
                                          O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                          S_IRUSR | S_IWUSR));
            if (file_.get() < 0 && errno != EEXIST) return;
        }
    }
    ~TemporaryFile() {
        if (file_.get() >= 0 && !renamed_) unlinkat(directory_, name_.c_str(), 0);
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;

    int fd() const { return file_.get(); }
    bool rename_to(const std::string& name) const {
        renamed_ = renameat(directory_, name_.c_str(), directory_, name.c_str()) == 0;
        return renamed_;
    }

  private:
    int directory_;
    std::string name_;
    FileDescriptor file_{-1};
    mutable bool renamed_ = false;
};

}  // namespace

FileDescriptor::~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
}

std::string path_of_descriptor(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

// O_NONBLOCK: opening a pipe without a writer returns at once, and the pipe is then refused.
RegularFile::RegularFile(const fs::path& path, const std::string& tried, std::string_view next_step)
    : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    struct stat status {};
    if (file_.get() < 0 || fstat(file_.get(), &status) != 0)
        throw errno_error(ExitCode::usage, errno, tried, next_step);
    if (!S_ISREG(status.st_mode))
        throw Error(ExitCode::usage,
                    fmt::format("{}: it is not a regular file; {}", tried, next_step));
    bytes_ = static_cast<std::uint64_t>(status.st_size);
}

fs::path resolve(const fs::path& path) {
    std::error_code none;
    const fs::path target = fs::canonical(path, none);
    return none ? path : target;
}

void check_target(const fs::path& target, std::string_view kind, ExitCode code) {
    struct stat status {};
    const std::string tried = fmt::format("cannot write a {} {}", kind, printable(target.native()));
    // A rename would replace a device or a pipe by a file.
    if (stat(target.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
        throw Error(code, tried + ": it is not a regular file; give another name");
    }
    if (!target.has_filename()) throw Error(code, tried + ": it is a directory; add a file name");
    if (access(directory_of(target).c_str(), W_OK | X_OK) != 0) {
        throw errno_error(code, errno, tried, "give a name in a directory that you can write to");
    }
}

void refuse_if_same(const fs::path& output, const std::vector<fs::path>& inputs,
                    std::string_view kind) {
    for (const fs::path& input : inputs) {
        std::error_code none;  // an output that does not exist yet is no input
        if (!fs::equivalent(output, input, none)) continue;
        throw Error(ExitCode::usage,
                    fmt::format("cannot write the {} {}: it is the input {}; give "
                                "another name",
                                kind, printable(output.native()), printable(input.native())));
    }
}

void write_all(int fd, std::string_view text, const std::string& tried) {
    while (!text.empty()) {
        const ssize_t written = write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) throw errno_error(ExitCode::runtime, errno, tried);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

bool others_can_change(int open_directory) {
    struct stat info {};
    if (fstat(open_directory, &info) != 0) return true;
    const bool is_trusted = info.st_uid == 0 || info.st_uid == geteuid();
    return !is_trusted || ((info.st_mode & (S_IWGRP | S_IWOTH)) && !(info.st_mode & S_ISVTX));
}

OutputFile::OutputFile(fs::path target, std::string kind, ExitCode code)
    : target_(std::move(target)),
      kind_(std::move(kind)),
      name_(target_.filename()),
      directory_(open_directory(directory_of(target_))) {
    const int error = errno;
    check_target(target_, kind_, code);
    if (directory_.get() < 0)
        throw errno_error(
            code, error, fmt::format("cannot write the {} {}", kind_, printable(target_.native())));
}

// Written under another name and renamed. On disk: synced before, and the directory after.
void OutputFile::replace(std::string_view text, Durability durability) const {
    const bool sync = durability == Durability::on_disk;
    const std::string tried =
        fmt::format("cannot write the {} {}", kind_, printable(target_.native()));
    struct stat now {};
    // A rename would replace a device or a pipe by a file.
    if (fstatat(directory_.get(), name_.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0 &&
        !S_ISREG(now.st_mode) && !S_ISLNK(now.st_mode))
        throw Error(ExitCode::runtime, tried + ": it is not a regular file; give another name");
    const TemporaryFile file(directory_.get(), name_);
    if (file.fd() < 0) throw errno_error(ExitCode::runtime, errno, tried);
    write_all(file.fd(), text, tried);
    if (fchmod(file.fd(), file_mode) != 0 || (sync && fsync(file.fd()) != 0) ||
        !file.rename_to(name_) || (sync && fsync(directory_.get()) != 0))
        throw errno_error(ExitCode::runtime, errno, tried);
}

int OutputFile::remove() const {
    return unlinkat(directory_.get(), name_.c_str(), 0) == 0 ? 0 : errno;
}

bool OutputFile::directory_is_at_its_path() const {
    struct stat opened {
    }, named{};
    return fstat(directory_.get(), &opened) == 0 &&
           stat(directory_of(target_).c_str(), &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

void replace_file(const fs::path& target, std::string_view kind, std::string_view text,
                  Durability durability) {
    OutputFile(target, std::string(kind), ExitCode::runtime).replace(text, durability);
}

}  // namespace jsguard
