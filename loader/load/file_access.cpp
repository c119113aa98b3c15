// SPDX-License-Identifier: BSD-2-Clause
// Limits the files that this process may use, by Landlock. glibc has no functions for it.
#include "load/file_access.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

#include "common/error.hpp"
#include "common/file_replacement.hpp"

namespace jsguard {
namespace {

constexpr std::uint64_t for_proc = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
// A file is replaced by making another one, and renaming it. A lock is a file too.
constexpr std::uint64_t for_outputs = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                      LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE;
// A persisted detector's directory is renamed, and removed with its pins.
constexpr std::uint64_t for_pins = LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_DIR |
                                   LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE;
constexpr std::uint64_t above_pins = LANDLOCK_ACCESS_FS_REMOVE_DIR;
constexpr std::uint64_t never = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                                LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
// Since version 2 and 3; headers of older kernels lack them. Nothing needs them.
constexpr std::uint64_t refer = 1ULL << 13, truncate = 1ULL << 14;

[[noreturn]] void fail(const char* what) {
    throw errno_error(ExitCode::runtime, errno, what,
                      "do not run a detector with privilege in a kernel or container that forbids "
                      "this");
}

// The accesses that this kernel can limit.
std::uint64_t limited_by(int version) {
    return for_proc | for_outputs | for_pins | above_pins | never | (version >= 2 ? refer : 0) |
           (version >= 3 ? truncate : 0);
}

void allow(int ruleset, int directory, std::uint64_t access) {
    const landlock_path_beneath_attr rule{access, directory};
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        fail("cannot allow a directory");
}

}  // namespace

bool FileLimits::is_unexpected() const {
    return !available() && error != ENOSYS && error != EOPNOTSUPP;
}

FileLimits file_limits_of(long answer, int error) {
    if (answer > 0) return {static_cast<int>(answer), 0};
    return {0, answer < 0 ? error : EINVAL};
}

FileLimits file_limits_here() {
    const long answer =
        syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return file_limits_of(answer, errno);
}

std::string text_of(const FileLimits& limits) {
    if (limits.available()) return fmt::format("limited by Landlock, version {}", limits.version);
    if (limits.error == ENOSYS) return "not limited: this kernel has no Landlock";
    if (limits.error == EOPNOTSUPP)
        return "not limited: Landlock is switched off; boot with landlock in the list lsm=";
    return fmt::format(
        "not limited: Landlock is refused: {}; see which filter of system calls the container or "
        "service has",
        std::generic_category().message(limits.error));
}

FileLimits limit_files(const FileAccess& access) {
    const FileLimits limits = file_limits_here();
    if (!limits.available()) return limits;
    landlock_ruleset_attr attributes{};
    attributes.handled_access_fs = limited_by(limits.version);
    // The size of the first version: later fields are of no use here.
    const FileDescriptor ruleset(static_cast<int>(
        syscall(SYS_landlock_create_ruleset, &attributes, sizeof(std::uint64_t), 0)));
    if (ruleset.get() < 0) fail("cannot limit the files that can be used");
    for (const int directory : access.outputs) allow(ruleset.get(), directory, for_outputs);
    if (access.pin_directory >= 0) allow(ruleset.get(), access.pin_directory, for_pins);
    if (access.above_pin_directory >= 0)
        allow(ruleset.get(), access.above_pin_directory, above_pins);
    if (const FileDescriptor proc(open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC)); proc.get() >= 0)
        allow(ruleset.get(), proc.get(), for_proc);
    if (syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
        fail("cannot limit the files that can be used");
    return limits;
}

}  // namespace jsguard
