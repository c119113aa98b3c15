// SPDX-License-Identifier: BSD-2-Clause
// What this process must be permitted to load the programs, and what it gives up once the detector
// is attached.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace jsguard {

struct NeededCapability {
    unsigned number;
    const char* name;
};

// CAP_BPF and CAP_PERFMON, in place of which CAP_SYS_ADMIN is enough. Where the kernel has no
// bpf_rdonly_cast, libbpf before 1.3 looks for it in every module's types, which takes
// CAP_SYS_ADMIN itself.
std::vector<NeededCapability> needed_to_load(bool has_rdonly_cast);

// Those of them that it lacks, "CAP_BPF and CAP_PERFMON"; empty if it may load.
std::string missing_to_load(bool has_rdonly_cast);

// Throws Error(usage) if this user could replace the file only by a capability that
// drop_privilege() gives up. option: the one that named it. Other obstacles are check_target()'s.
void need_writable_without_privilege(const std::filesystem::path& target, std::string_view option);

// Leaves this process no capability, no way to gain one, and no system call but those that a
// detector's loader makes once it has attached (docs/privilege.md has the list). The user stays. In
// a process with one thread. Throws Error(runtime), or Error(unsupported) if the kernel filters no
// system calls.
void drop_privilege();

}  // namespace jsguard
