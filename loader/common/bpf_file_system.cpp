// SPDX-License-Identifier: BSD-2-Clause
// Where a pin directory is or would be, and what stands in its way; nothing is mounted or made.
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

constexpr PlaceWords place_words[] = {
    {PinPlace::ready, "ready", "in a BPF file system"},
    {PinPlace::to_be_mounted, "to be mounted",
     "no BPF file system yet; jsguard-load would mount one on /sys/fs/bpf"},
    {PinPlace::not_bpffs, "not bpffs", "not in a BPF file system"},
    {PinPlace::read_only, "read-only", "in a BPF file system that is mounted read-only"},
    {PinPlace::not_writable, "not writable",
     "in a BPF file system where this process may not write"},
    {PinPlace::whole, "whole file system", "a whole BPF file system, and no directory in one"},
    {PinPlace::of_another, "another user's",
     "in a BPF file system and belongs to another user, who could remove the pins"},
    {PinPlace::strange, "not jsguard's",
     "in a BPF file system and holds pins that are not jsguard's"},
};

static_assert(std::string_view(place_words[1].text).ends_with(usual_bpffs_mount) &&
              std::string_view(usual_pin_dir).starts_with(usual_bpffs_mount));

bool is_read_only(const fs::path& path) {
    struct statvfs info {};
    return statvfs(path.c_str(), &info) == 0 && (info.f_flag & ST_RDONLY);
}

bool is_writable(const fs::path& path) {
    return faccessat(AT_FDCWD, path.c_str(), W_OK | X_OK, AT_EACCESS) == 0;
}

}  // namespace

const PlaceWords& words_of(PinPlace place) {
    return *std::find_if(std::begin(place_words), std::end(place_words),
                         [&](const PlaceWords& words) { return words.place == place; });
}

bool has_persisted(const std::string& pin_dir) {
    return access((pin_dir + persisted_directory).c_str(), F_OK) == 0;
}

bool holds_pins(const std::string& pin_dir) {
    for (const char* name : {persisted_directory, unfinished_directory, known_by}) {
        if (access((pin_dir + name).c_str(), F_OK) == 0) return true;
    }
    return false;
}

std::optional<PinPlace> place_of_directory(int open_directory, const fs::path& pin_dir) {
    struct stat info {
    }, above{};
    if (fstat(open_directory, &info) != 0 || fstatat(open_directory, "..", &above, 0) != 0)
        return {};
    if (info.st_dev != above.st_dev || info.st_ino == above.st_ino) return PinPlace::whole;
    if (info.st_uid != geteuid()) return PinPlace::of_another;
    std::error_code none;
    return fs::is_empty(pin_dir, none) || holds_pins(pin_dir) ? PinPlace::ready : PinPlace::strange;
}

std::string mount_advice() {
    return fmt::format(
        "mount one (mount -t bpf -o {} bpf {}) or choose another directory with --pin-dir",
        bpffs_mount_options, usual_bpffs_mount);
}

bool on_bpffs(const fs::path& path) {
    struct statfs info {};
    return statfs(path.c_str(), &info) == 0 && info.f_type == BPF_FS_MAGIC;
}

fs::path existing_part(fs::path path) {
    std::error_code none;
    while (!path.empty() && !fs::exists(path, none) && path != path.parent_path())
        path = path.parent_path();
    return path;
}

PinPlace pin_place(const fs::path& pin_dir) {
    const fs::path there = existing_part(pin_dir);
    if (!on_bpffs(there)) {
        return there == usual_bpffs_mount && has_capability(CAP_SYS_ADMIN) ? PinPlace::to_be_mounted
                                                                           : PinPlace::not_bpffs;
    }
    if (is_read_only(there)) return PinPlace::read_only;
    if (!is_writable(there)) return PinPlace::not_writable;
    if (there != pin_dir) return PinPlace::ready;
    const FileDescriptor open_directory(open(there.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    return place_of_directory(open_directory.get(), there).value_or(PinPlace::ready);
}

}  // namespace jsguard
