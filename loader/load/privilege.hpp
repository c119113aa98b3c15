// SPDX-License-Identifier: BSD-2-Clause
// The privilege that loading needs, and dropping it once the detector is attached.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "load/file_access.hpp"

namespace jsguard {

struct NeededCapability {
    unsigned number;
    const char* name;
};

// CAP_BPF and CAP_PERFMON; CAP_SYS_ADMIN alone is enough too. If the kernel has no bpf_rdonly_cast,
// libbpf before 1.3 searches the types of every module for it. That needs CAP_SYS_ADMIN itself.
std::vector<NeededCapability> needed_to_load(bool has_rdonly_cast);

// The needed capabilities that this process lacks, as "CAP_BPF and CAP_PERFMON"; empty if it may
// load.
std::string missing_to_load(bool has_rdonly_cast);

// Throws Error(usage) if this user can replace the file only with a capability that
// drop_privilege() drops. option: the option that named the file. check_target() checks for other
// obstacles.
void need_writable_without_privilege(const std::filesystem::path& target, std::string_view option);

// Drops all capabilities and every way to gain one. Forbids all system calls except those that the
// loader makes after attaching; docs/privilege.md lists them. Limits the files as access says, and
// returns what limit_files() does. Does not change the user. The process must have one thread.
// Throws Error(runtime), or Error(unsupported) if the kernel cannot filter system calls.
FileLimits drop_privilege(const FileAccess& access);

}  // namespace jsguard
