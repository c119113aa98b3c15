// SPDX-License-Identifier: BSD-2-Clause
// The folder in the BPF file system through which people read the maps, and who may use it.
#include "pins.hpp"

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "error.hpp"

namespace jsguard {
namespace fs = std::filesystem;
namespace {

constexpr const char* usual_mount = "/sys/fs/bpf";

bool on_bpffs(const fs::path& path) {
    struct statfs info {};
    return statfs(path.c_str(), &info) == 0 && info.f_type == BPF_FS_MAGIC;
}

// The nearest folder above that is there already.
fs::path existing_part(fs::path path) {
    while (!path.empty() && !fs::exists(path) && path != path.parent_path())
        path = path.parent_path();
    return path;
}

void need_bpffs(const fs::path& dir) {
    const fs::path there = existing_part(dir);
    if (on_bpffs(there)) return;
    if (there != usual_mount || mount("bpf", usual_mount, "bpf", 0, "mode=0700") != 0)
        throw Error(
            ExitCode::runtime,
            fmt::format("{} is not in a BPF file system; mount one (mount -t bpf bpf {}) or "
                        "choose another folder with --pin-dir",
                        dir.string(), usual_mount));
}

}  // namespace

Pins::Pins(std::string dir) : dir_(std::move(dir)) {
    std::error_code error;
    need_bpffs(dir_);
    fs::create_directories(dir_, error);
    if (error)
        throw errno_error(ExitCode::runtime, error.value(),
                          fmt::format("cannot make the pin folder {}", dir_),
                          "choose another one with --pin-dir");
    lock_ = open(dir_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lock_ < 0)
        throw errno_error(ExitCode::runtime, errno,
                          fmt::format("cannot open the pin folder {}", dir_));
    if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
        close(lock_);
        throw Error(
            ExitCode::runtime,
            fmt::format("another jsguard-load uses {}; stop it, or give this one a folder of "
                        "its own with --pin-dir",
                        dir_));
    }
    remove_all();
}

Pins::~Pins() {
    remove_all();
    rmdir(dir_.c_str());
    close(lock_);
}

void Pins::pin(bpf_map* map) {
    const std::string path = dir_ + "/" + bpf_map__name(map);
    if (const int error = bpf_map__pin(map, path.c_str()); error)
        throw errno_error(ExitCode::runtime, -error, fmt::format("cannot pin {}", path));
}

void Pins::remove_all() const {
    std::error_code ignored;  // what cannot be removed shows when it is pinned again
    for (const auto& entry : fs::directory_iterator(dir_, ignored))
        fs::remove(entry.path(), ignored);
}

}  // namespace jsguard
