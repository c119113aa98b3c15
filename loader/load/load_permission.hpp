// SPDX-License-Identifier: BSD-2-Clause
// What loading the programs takes of this process, on this kernel and with this libbpf.
#pragma once

#include <string>
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

}  // namespace jsguard
