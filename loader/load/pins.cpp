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

// The pins that this version and earlier ones make for readers. Nothing else is removed.
constexpr const char* pins_for_readers[] = {
    "baselines", "config",   "control",         "counters", "lessons", "pending_baselines",
    "readings",  "requests", "saved_baselines", "services", "stats",   "ticks",
    "windows"};

}  // namespace

Pins::Pins(std::string dir, const std::optional<std::string>& group) : dir_(std::move(dir)) {
    if (group) group_ = group_number(*group);
    take_lock();
    try {
        need_own_directory();
        persisted_ = has_persisted();
        if (!persisted_)
            set_permissions("", true);  // a persisted one keeps them until it is joined
    } catch (...) {
        if (made_) unlinkat(parent_.get(), name_.c_str(), AT_REMOVEDIR);
        throw;
    }
}

// Opens the directory of that name in parent_, or makes it. It becomes parent_.
void Pins::open_step(const std::string& name) {
    constexpr mode_t mode = 0700;
    const auto refuse = [&](std::string_view why) {
        throw Error(ExitCode::runtime,
                    fmt::format("cannot use the pin directory {}: {} {}; choose another one with "
                                "--pin-dir",
                                printable(dir_), printable(name), why));
    };
    const bool is_inside = on_bpffs(parent_.get());
    if (is_inside && others_can_change(parent_.get()))
        refuse("is in a directory that other users can change");
    if (mkdirat(parent_.get(), name.c_str(), mode) != 0 && errno != EEXIST)
        fail(errno, fmt::format("cannot make the pin directory {}", printable(dir_)),
             "choose another one with --pin-dir");
    FileDescriptor next(
        openat(parent_.get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (next.get() < 0 && (errno == ELOOP || errno == ENOTDIR))
        refuse("is a symbolic link, or no directory");
    if (next.get() < 0)
        fail(errno, fmt::format("cannot open the pin directory {}", printable(dir_)));
    parent_ = std::move(next);
}

// Follows symbolic links outside the BPF file system only. Whoever can change one there can choose
// another directory, but the checks are of the directory that is opened.
void Pins::open_parent() {
    std::error_code error;
    const fs::path wanted = fs::absolute(dir_, error).lexically_normal();
    const fs::path whole = wanted.has_filename() ? wanted : wanted.parent_path();
    fs::path outside = existing_part(whole.parent_path());
    while (on_bpffs(outside.parent_path())) outside = outside.parent_path();
    parent_ = FileDescriptor(::open(outside.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (parent_.get() < 0) fail(errno, fmt::format("cannot open {}", printable(outside.string())));
    for (const fs::path& name : whole.parent_path().lexically_relative(outside)) {
        if (name != ".") open_step(name.string());
    }
    name_ = whole.filename().string();
}

void Pins::take_lock() {
    struct stat locked {
    }, named{};
    do {  // again if another process removed the directory in between
        need_bpffs(dir_);
        open_parent();
        made_ = faccessat(parent_.get(), name_.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) != 0 || made_;
        FileDescriptor above(fcntl(parent_.get(), F_DUPFD_CLOEXEC, 0));
        open_step(name_);
        std::swap(parent_, above);
        lock_ = FileDescriptor(
            openat(parent_.get(), name_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (lock_.get() < 0)
            fail(errno, fmt::format("cannot open the pin directory {}", printable(dir_)));
        if (flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
            throw Error(
                ExitCode::runtime,
                fmt::format("another jsguard-load uses {}; stop it, or give this one its own "
                            "directory with --pin-dir",
                            printable(dir_)));
        named = {};
    } while (fstat(lock_.get(), &locked) != 0 ||
             fstatat(parent_.get(), name_.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 ||
             locked.st_ino != named.st_ino || locked.st_dev != named.st_dev);
}

void Pins::need_own_directory() const {
    if (!on_bpffs(lock_.get()))
        throw Error(ExitCode::runtime, fmt::format("{} is not in a BPF file system; {}",
                                                   printable(dir_), mount_advice()));
    const auto state = state_of_pin_directory(lock_.get());
    if (!state) fail(errno, fmt::format("cannot inspect the pin directory {}", printable(dir_)));
    if (*state != PinDirectory::ready)
        throw Error(ExitCode::runtime,
                    fmt::format("the pin directory {} is {}; choose another one with --pin-dir",
                                printable(dir_), texts_of(*state).text));
}

// name: of a pin; empty for the directory itself.
void Pins::set_permissions(const char* name, bool directory) const {
    const mode_t owner = directory ? 0700 : 0600;
    const mode_t readers = directory ? 0010 : 0040;
    const mode_t mode = owner | (group_ ? readers : 0);
    const std::string path = printable(*name ? dir_ + "/" + name : dir_);
    if (group_ && fchownat(lock_.get(), name, static_cast<uid_t>(-1), *group_,
                           AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0)
        fail(errno, fmt::format("cannot give {} to the group {}", path, *group_),
             "run it with CAP_CHOWN, or give a group that this user is in");
    if ((*name ? fchmodat(lock_.get(), name, mode, 0) : fchmod(lock_.get(), mode)) != 0)
        fail(errno, fmt::format("cannot set the permissions of {}", path),
             errno == EROFS ? "its file system is read-only (mount -o remount,rw)" : "");
}

Pins::~Pins() {
    try {
        if (!persisted_) remove_all();
    } catch (const Error&) {  // the next start removes or reports what is left
    }
    if (!has_any()) unlinkat(parent_.get(), name_.c_str(), AT_REMOVEDIR);
}

// For libbpf, which pins and opens by path.
std::string Pins::path_of(const std::string& name) const {
    return path_of_descriptor(lock_.get()) + "/" + name;
}

void Pins::pin(const std::string& name, int fd) {
    if (bpf_obj_pin(fd, path_of(name).c_str()) != 0)
        fail(errno, fmt::format("cannot pin {}/{}", printable(dir_), name));
    set_permissions(name.c_str(), false);
}

void Pins::admit_readers(const std::vector<std::string>& names) const {
    set_permissions("", true);
    for (const std::string& name : names) set_permissions(name.c_str(), false);
}

void Pins::persist(const Named& all) {
    const std::string unfinished = path_of(unfinished_directory);
    remove_directory(unfinished_directory);
    if (mkdirat(lock_.get(), unfinished_directory, 0700) != 0)
        fail(errno, fmt::format("cannot make the directory {} in {}", unfinished_directory,
                                printable(dir_)));
    for (const auto& [name, fd] : all) {
        if (bpf_obj_pin(fd, (unfinished + "/" + name).c_str()) != 0)
            fail(errno, fmt::format("cannot pin {} in {}/{}", name, printable(dir_),
                                    unfinished_directory));
    }
    if (renameat(lock_.get(), unfinished_directory, lock_.get(), persisted_directory) != 0)
        fail(errno, fmt::format("cannot rename {}/{}", printable(dir_), unfinished_directory));
    persisted_ = true;
}

bool Pins::has_persisted() const {
    return faccessat(lock_.get(), persisted_directory, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool Pins::has_any() const { return holds_pins(lock_.get()); }

int Pins::open(const std::string& name) const {
    const int fd = bpf_obj_get(path_of(std::string(persisted_directory) + "/" + name).c_str());
    return fd >= 0 ? fd : bpf_obj_get(path_of(name).c_str());
}

// Ignores errors: creating the same directory again reports what could not be removed.
void Pins::remove_directory(const char* directory) const {
    const FileDescriptor opened(
        openat(lock_.get(), directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (opened.get() < 0) return;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(path_of_descriptor(opened.get()), ignored))
        unlinkat(opened.get(), entry.path().filename().c_str(), 0);
    unlinkat(lock_.get(), directory, AT_REMOVEDIR);
}

void Pins::unpersist() {
    // Rename the directory first. If this process is then killed, no half-removed directory looks
    // complete.
    remove_directory(unfinished_directory);
    if (renameat(lock_.get(), persisted_directory, lock_.get(), unfinished_directory) != 0 &&
        errno != ENOENT)
        fail(errno, fmt::format("cannot rename {}/{}", printable(dir_), persisted_directory));
    remove_directory(unfinished_directory);
    persisted_ = false;
}

void Pins::remove_persisted(const std::string& name) const {
    const FileDescriptor opened(
        openat(lock_.get(), persisted_directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    unlinkat(opened.get(), name.c_str(), 0);
}

void Pins::remove_all() {
    unpersist();  // first the pins that keep the detector running
    for (const char* name : pins_for_readers) {
        if (std::string_view(name) != config_pin) unlinkat(lock_.get(), name, 0);
    }
    unlinkat(lock_.get(), config_pin, 0);
}

}  // namespace jsguard
