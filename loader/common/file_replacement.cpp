// SPDX-License-Identifier: BSD-2-Clause
// Replaces a file: writes a temporary file in the same directory and renames it.
#include "common/file_replacement.hpp"

#include <fcntl.h>
#include <fmt/format.h>
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

}  // namespace

FileDescriptor::~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
}

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

TemporaryName::~TemporaryName() {
    if (!name_.empty()) unlink(name_.c_str());
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

void replace_file(const fs::path& target, std::string_view kind, std::string_view text,
                  Durability durability) {
    const bool sync = durability == Durability::on_disk;
    const std::string tried =
        fmt::format("cannot write the {} {}", kind, printable(target.native()));
    std::string name = target.native() + ".XXXXXX";
    const FileDescriptor file(mkostemp(name.data(), O_CLOEXEC));
    if (file.get() < 0) throw errno_error(ExitCode::runtime, errno, tried);
    TemporaryName temporary(name);
    write_all(file.get(), text, tried);
    if (fchmod(file.get(), file_mode) != 0 || (sync && fsync(file.get()) != 0) ||
        rename(temporary.get(), target.c_str()) != 0) {
        throw errno_error(ExitCode::runtime, errno, tried);
    }
    temporary.keep();
    if (!sync) return;
    const FileDescriptor directory(
        open(directory_of(target).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0 || fsync(directory.get()) != 0) {
        throw errno_error(ExitCode::runtime, errno, tried);
    }
}

}  // namespace jsguard
