// SPDX-License-Identifier: BSD-2-Clause
// Checks whether a pin directory can be used, and why not. Mounts and creates nothing.
#include "common/bpf_file_system.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <system_error>

#include "common/capabilities.hpp"
#include "common/file_replacement.hpp"

namespace jsguard {
namespace fs = std::filesystem;
namespace {

constexpr PinDirectoryTexts pin_directory_texts[] = {
    {PinDirectory::ready, "ready", "in a BPF file system"},
    {PinDirectory::to_be_mounted, "to be mounted",
     "no BPF file system yet; jsguard-load would mount one on /sys/fs/bpf"},
    {PinDirectory::not_bpffs, "not bpffs", "not in a BPF file system"},
    {PinDirectory::read_only, "read-only", "in a BPF file system that is mounted read-only"},
    {PinDirectory::not_writable, "not writable",
     "in a BPF file system where this process may not write"},
    {PinDirectory::file_system_root, "whole file system",
     "the root of a BPF file system, not a directory in one"},
    {PinDirectory::other_owner, "another user's",
     "in a BPF file system and belongs to another user, who could remove the pins"},
    {PinDirectory::changeable, "changeable by others",
     "below a directory that other users can change, or a symbolic link, in a BPF file system"},
    {PinDirectory::foreign_pins, "not jsguard's",
     "in a BPF file system and holds pins that are not jsguard's"},
};

static_assert(std::string_view(pin_directory_texts[1].text).ends_with(default_bpffs_mount) &&
              std::string_view(default_pin_dir).starts_with(default_bpffs_mount));

bool is_read_only(const fs::path& path) {
    struct statvfs info {};
    return statvfs(path.c_str(), &info) == 0 && (info.f_flag & ST_RDONLY);
}

bool is_writable(const fs::path& path) {
    return faccessat(AT_FDCWD, path.c_str(), W_OK | X_OK, AT_EACCESS) == 0;
}

// As Pins refuses it when it opens the path step by step.
bool is_below_changeable(const fs::path& pin_dir) {
    std::error_code none;
    fs::path path;
    for (const fs::path& name : fs::absolute(pin_dir, none)) {
        const bool is_inside = on_bpffs(path);
        if (is_inside) {
            const FileDescriptor open_directory(open(path.c_str(), O_PATH | O_CLOEXEC));
            if (others_can_change(open_directory.get())) return true;
        }
        path /= name;
        if (is_inside && fs::is_symlink(fs::symlink_status(path, none))) return true;
        if (!fs::exists(path, none)) return false;
    }
    return false;
}

}  // namespace

const PinDirectoryTexts& texts_of(PinDirectory state) {
    return *std::find_if(std::begin(pin_directory_texts), std::end(pin_directory_texts),
                         [&](const PinDirectoryTexts& texts) { return texts.state == state; });
}

bool has_persisted(const std::string& pin_dir) {
    return access((pin_dir + "/" + persisted_directory).c_str(), F_OK) == 0;
}

bool holds_pins(int open_directory) {
    for (const char* name : {persisted_directory, unfinished_directory, config_pin}) {
        if (faccessat(open_directory, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) return true;
    }
    return false;
}

std::optional<PinDirectory> state_of_pin_directory(int open_directory) {
    struct stat info {
    }, parent{};
    if (fstat(open_directory, &info) != 0 || fstatat(open_directory, "..", &parent, 0) != 0)
        return {};
    if (info.st_dev != parent.st_dev || info.st_ino == parent.st_ino)
        return PinDirectory::file_system_root;
    if (info.st_uid != geteuid()) return PinDirectory::other_owner;
    std::error_code none;
    const bool is_empty = fs::is_empty(path_of_descriptor(open_directory), none);
    return is_empty || holds_pins(open_directory) ? PinDirectory::ready
                                                  : PinDirectory::foreign_pins;
}

std::string mount_advice() {
    return fmt::format(
        "mount one (mount -t bpf -o {} bpf {}) or choose another directory with --pin-dir",
        bpffs_mount_options, default_bpffs_mount);
}

bool on_bpffs(const fs::path& path) {
    struct statfs info {};
    return statfs(path.c_str(), &info) == 0 && info.f_type == BPF_FS_MAGIC;
}

bool on_bpffs(int file) {
    struct statfs info {};
    return fstatfs(file, &info) == 0 && info.f_type == BPF_FS_MAGIC;
}

fs::path existing_part(fs::path path) {
    std::error_code none;
    while (!path.empty() && !fs::exists(path, none) && path != path.parent_path())
        path = path.parent_path();
    return path;
}

PinDirectory pin_directory_state(const fs::path& pin_dir) {
    const fs::path existing = existing_part(pin_dir);
    if (!on_bpffs(existing)) {
        return existing == default_bpffs_mount && has_capability(CAP_SYS_ADMIN)
                   ? PinDirectory::to_be_mounted
                   : PinDirectory::not_bpffs;
    }
    if (is_read_only(existing)) return PinDirectory::read_only;
    if (!is_writable(existing)) return PinDirectory::not_writable;
    if (is_below_changeable(pin_dir)) return PinDirectory::changeable;
    if (existing != pin_dir) return PinDirectory::ready;
    const FileDescriptor open_directory(open(existing.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return state_of_pin_directory(open_directory.get()).value_or(PinDirectory::ready);
}

}  // namespace jsguard
