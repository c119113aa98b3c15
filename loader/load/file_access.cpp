// SPDX-License-Identifier: BSD-2-Clause
// Limits the files that this process may use, by Landlock. glibc has no functions for it.
#include "load/file_access.hpp"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <iterator>

#include "common/error.hpp"
#include "common/file_replacement.hpp"

namespace jsguard {
namespace {

constexpr std::uint64_t reading = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr std::uint64_t writing = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
                                  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
                                  LANDLOCK_ACCESS_FS_MAKE_DIR;
constexpr std::uint64_t never = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
                                LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
                                LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;
// Since version 2 and 3; headers of older kernels lack them.
constexpr std::uint64_t refer = 1ULL << 13, truncate = 1ULL << 14;

[[noreturn]] void fail(const char* what) {
    throw errno_error(ExitCode::runtime, errno, what,
                      "a kernel or container that forbids it is not one to run a detector with "
                      "privilege in");
}

// 0 without Landlock.
long landlock_version() {
    return std::max(
        0L, syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION));
}

// The accesses that this kernel can limit.
std::uint64_t limited_by(long version) {
    return reading | writing | never | (version >= 2 ? refer : 0) | (version >= 3 ? truncate : 0);
}

void allow(int ruleset, int directory, std::uint64_t access) {
    const landlock_path_beneath_attr rule{access, directory};
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        fail("cannot allow a directory");
}

}  // namespace

bool can_limit_files() { return landlock_version() > 0; }

void limit_files(const FileAccess& access) {
    const long version = landlock_version();
    if (version == 0) return;
    const std::uint64_t limited = limited_by(version);
    landlock_ruleset_attr attributes{};
    attributes.handled_access_fs = limited;
    // The size of the first version: later fields are of no use here.
    const FileDescriptor ruleset(static_cast<int>(
        syscall(SYS_landlock_create_ruleset, &attributes, sizeof(std::uint64_t), 0)));
    if (ruleset.get() < 0) fail("cannot limit the files that can be used");
    for (const int directory : access.writable)
        allow(ruleset.get(), directory, (reading | writing | refer | truncate) & limited);
    if (access.emptied >= 0) allow(ruleset.get(), access.emptied, LANDLOCK_ACCESS_FS_REMOVE_DIR);
    if (const FileDescriptor proc(open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC)); proc.get() >= 0)
        allow(ruleset.get(), proc.get(), reading);
    if (syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
        fail("cannot limit the files that can be used");
}

}  // namespace jsguard
