// SPDX-License-Identifier: BSD-2-Clause
// The directory in the BPF file system through which people read the maps, and who may use it.
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
    throw errno_error(is_refusal(error) ? ExitCode::not_permitted : ExitCode::runtime, error, tried,
                      next_step);
}

void need_bpffs(const fs::path& dir) {
    const fs::path there = existing_part(dir);
    if (on_bpffs(there)) return;
    if (there != usual_bpffs_mount ||
        mount("bpf", usual_bpffs_mount, "bpf", 0, bpffs_mount_options) != 0)
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
        stay_ = has_persisted(dir_);
        if (!stay_) set_rights(dir_, true);  // else its readers keep theirs until it is joined
    } catch (...) {
        if (made_) rmdir(dir_.c_str());
        close(lock_);
        throw;
    }
}

void Pins::take_lock() {
    struct stat held {
    }, named{};
    do {  // once more if another one removed the directory in between
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
                fmt::format(
                    "another jsguard-load uses {}; stop it, or give this one a directory of "
                    "its own with --pin-dir",
                    printable(dir_)));
        }
        named = {};
    } while (fstat(lock_, &held) != 0 || stat(dir_.c_str(), &named) != 0 ||
             held.st_ino != named.st_ino);
}

void Pins::need_own_directory() const {
    const auto place = place_of_directory(lock_, dir_);
    if (!place) fail(errno, fmt::format("cannot inspect the pin directory {}", printable(dir_)));
    if (*place != PinPlace::ready)
        throw Error(ExitCode::runtime,
                    fmt::format("the pin directory {} is {}; choose another one with --pin-dir",
                                printable(dir_), words_of(*place).text));
}

void Pins::set_rights(const std::string& path, bool directory) const {
    const mode_t owner = directory ? 0700 : 0600;
    const mode_t readers = directory ? 0010 : 0040;
    if (group_ && chown(path.c_str(), static_cast<uid_t>(-1), *group_) != 0)
        fail(errno, fmt::format("cannot give {} to the group {}", printable(path), *group_),
             "it takes CAP_CHOWN, or a group that this user is in");
    if (chmod(path.c_str(), owner | (group_ ? readers : 0)) != 0)
        fail(errno, fmt::format("cannot set the rights of {}", printable(path)),
             errno == EROFS ? "its file system is read-only (mount -o remount,rw)" : "");
}

Pins::~Pins() {
    try {
        if (!stay_) remove_all();
    } catch (const Error&) {  // what is left shows at the next start
    }
    if (!has_any()) rmdir(dir_.c_str());
    close(lock_);
}

void Pins::pin(const std::string& name, int fd) {
    const std::string path = dir_ + "/" + name;
    if (bpf_obj_pin(fd, path.c_str()) != 0)
        fail(errno, fmt::format("cannot pin {}", printable(path)));
    set_rights(path, false);
}

void Pins::admit_readers(const std::vector<std::string>& names) const {
    set_rights(dir_, true);
    for (const std::string& name : names) set_rights(dir_ + "/" + name, false);
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
    stay_ = true;
}

bool Pins::has_any() const { return holds_pins(dir_); }

int Pins::open(const std::string& name) const {
    const int fd = bpf_obj_get((dir_ + persisted_directory + "/" + name).c_str());
    return fd >= 0 ? fd : bpf_obj_get((dir_ + "/" + name).c_str());
}

// What cannot be removed shows when it is made again.
void Pins::remove_directory(const char* directory) const {
    const std::string path = dir_ + directory;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(path, ignored)) unlink(entry.path().c_str());
    rmdir(path.c_str());
}

void Pins::unpersist() {
    // At once: a kill in between leaves none that looks whole.
    remove_directory(unfinished_directory);
    if (rename((dir_ + persisted_directory).c_str(), (dir_ + unfinished_directory).c_str()) != 0 &&
        errno != ENOENT)
        fail(errno, fmt::format("cannot rename {}{}", printable(dir_), persisted_directory));
    remove_directory(unfinished_directory);
    stay_ = false;
}

void Pins::remove_persisted(const std::string& name) const {
    unlink((dir_ + persisted_directory + "/" + name).c_str());
}

void Pins::remove_all() {
    unpersist();  // first what keeps it going
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(dir_, ignored)) {
        // Not a directory: one in it may be another detector's.
        if (entry.path().filename() != known_by + 1) unlink(entry.path().c_str());
    }
    unlink((dir_ + known_by).c_str());
}

}  // namespace jsguard
