// SPDX-License-Identifier: BSD-2-Clause
// The pin directory in the BPF file system: its lock, its pins and their permissions.
#include "load/pins.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <limits>

#include "common/bpf_file_system.hpp"
#include "common/error.hpp"
#include "common/whole_number.hpp"

namespace jsguard {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void fail(int error, const std::string& tried, std::string_view next_step = {}) {
    throw errno_error(lacks_permission(error) ? ExitCode::not_permitted : ExitCode::runtime, error,
                      tried, next_step);
}

void need_bpffs(const fs::path& dir) {
    const fs::path there = existing_part(dir);
    if (on_bpffs(there)) return;
    if (there != default_bpffs_mount ||
        mount("bpf", default_bpffs_mount, "bpf", 0, bpffs_mount_options) != 0)
        throw Error(ExitCode::runtime, fmt::format("{} is not in a BPF file system; {}",
                                                   printable(dir.string()), mount_advice()));
}

unsigned group_number(const std::string& group) {
    if (const auto number = whole_number(group, 0, std::numeric_limits<std::int32_t>::max()))
        return static_cast<unsigned>(*number);
    errno = 0;
    if (const struct group* known = getgrnam(group.c_str())) return known->gr_gid;
    throw Error(ExitCode::usage, fmt::format("--pin-group {}: there is no such group; give one of "
                                             "getent group, or a number",
                                             printable(group)));
}

}  // namespace

Pins::Pins(std::string dir, const std::optional<std::string>& group) : dir_(std::move(dir)) {
    if (group) group_ = group_number(*group);
    take_lock();
    try {
        need_own_directory();
        persisted_ = has_persisted(dir_);
        if (!persisted_)
            set_permissions(dir_, true);  // a persisted one keeps them until it is joined
    } catch (...) {
        if (made_) rmdir(dir_.c_str());
        close(lock_);
        throw;
    }
}

void Pins::take_lock() {
    struct stat locked {
    }, named{};
    do {  // again if another process removed the directory in between
        if (lock_ >= 0) close(lock_);
        std::error_code error;
        need_bpffs(dir_);
        made_ = fs::create_directories(dir_, error) || made_;
        if (error)
            fail(error.value(), fmt::format("cannot make the pin directory {}", printable(dir_)),
                 "choose another one with --pin-dir");
        lock_ = ::open(dir_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (lock_ < 0)
            fail(errno, fmt::format("cannot open the pin directory {}", printable(dir_)));
        if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
            close(lock_);
            throw Error(
                ExitCode::runtime,
                fmt::format("another jsguard-load uses {}; stop it, or give this one its own "
                            "directory with --pin-dir",
                            printable(dir_)));
        }
        named = {};
    } while (fstat(lock_, &locked) != 0 || stat(dir_.c_str(), &named) != 0 ||
             locked.st_ino != named.st_ino);
}

void Pins::need_own_directory() const {
    const auto state = state_of_pin_directory(lock_, dir_);
    if (!state) fail(errno, fmt::format("cannot inspect the pin directory {}", printable(dir_)));
    if (*state != PinDirectory::ready)
        throw Error(ExitCode::runtime,
                    fmt::format("the pin directory {} is {}; choose another one with --pin-dir",
                                printable(dir_), texts_of(*state).text));
}

void Pins::set_permissions(const std::string& path, bool directory) const {
    const mode_t owner = directory ? 0700 : 0600;
    const mode_t readers = directory ? 0010 : 0040;
    if (group_ && chown(path.c_str(), static_cast<uid_t>(-1), *group_) != 0)
        fail(errno, fmt::format("cannot give {} to the group {}", printable(path), *group_),
             "run it with CAP_CHOWN, or give a group that this user is in");
    if (chmod(path.c_str(), owner | (group_ ? readers : 0)) != 0)
        fail(errno, fmt::format("cannot set the permissions of {}", printable(path)),
             errno == EROFS ? "its file system is read-only (mount -o remount,rw)" : "");
}

Pins::~Pins() {
    try {
        if (!persisted_) remove_all();
    } catch (const Error&) {  // the next start removes or reports what is left
    }
    if (!has_any()) rmdir(dir_.c_str());
    close(lock_);
}

void Pins::pin(const std::string& name, int fd) {
    const std::string path = dir_ + "/" + name;
    if (bpf_obj_pin(fd, path.c_str()) != 0)
        fail(errno, fmt::format("cannot pin {}", printable(path)));
    set_permissions(path, false);
}

void Pins::admit_readers(const std::vector<std::string>& names) const {
    set_permissions(dir_, true);
    for (const std::string& name : names) set_permissions(dir_ + "/" + name, false);
}

void Pins::persist(const Named& all) {
    const std::string unfinished = dir_ + unfinished_directory;
    const std::string finished = dir_ + persisted_directory;
    remove_directory(unfinished_directory);
    if (mkdir(unfinished.c_str(), 0700) != 0)
        fail(errno, fmt::format("cannot make the directory {}", printable(unfinished)));
    for (const auto& [name, fd] : all) {
        if (bpf_obj_pin(fd, (unfinished + "/" + name).c_str()) != 0)
            fail(errno, fmt::format("cannot pin {} in {}", name, printable(unfinished)));
    }
    if (rename(unfinished.c_str(), finished.c_str()) != 0)
        fail(errno, fmt::format("cannot rename {}", printable(unfinished)));
    persisted_ = true;
}

bool Pins::has_any() const { return holds_pins(dir_); }

int Pins::open(const std::string& name) const {
    const int fd = bpf_obj_get((dir_ + persisted_directory + "/" + name).c_str());
    return fd >= 0 ? fd : bpf_obj_get((dir_ + "/" + name).c_str());
}

// Ignores errors: creating the same directory again reports what could not be removed.
void Pins::remove_directory(const char* directory) const {
    const std::string path = dir_ + directory;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(path, ignored)) unlink(entry.path().c_str());
    rmdir(path.c_str());
}

void Pins::unpersist() {
    // Rename the directory first. If this process is then killed, no half-removed directory looks
    // complete.
    remove_directory(unfinished_directory);
    if (rename((dir_ + persisted_directory).c_str(), (dir_ + unfinished_directory).c_str()) != 0 &&
        errno != ENOENT)
        fail(errno, fmt::format("cannot rename {}{}", printable(dir_), persisted_directory));
    remove_directory(unfinished_directory);
    persisted_ = false;
}

void Pins::remove_persisted(const std::string& name) const {
    unlink((dir_ + persisted_directory + "/" + name).c_str());
}

void Pins::remove_all() {
    unpersist();  // first the pins that keep the detector running
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(dir_, ignored)) {
        // unlink() removes no directories. They may be other detectors'.
        if (entry.path().filename() != config_pin + 1) unlink(entry.path().c_str());
    }
    unlink((dir_ + config_pin).c_str());
}

}  // namespace jsguard
