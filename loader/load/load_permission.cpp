// SPDX-License-Identifier: BSD-2-Clause
// What loading the programs takes of this process, on this kernel and with this libbpf.
#include "load/load_permission.hpp"

#include <bpf/libbpf.h>
#include <linux/capability.h>

#include "common/capabilities.hpp"

namespace jsguard {

std::vector<NeededCapability> needed_to_load(bool has_rdonly_cast) {
    std::vector<NeededCapability> needed = {{CAP_BPF, "CAP_BPF"}, {CAP_PERFMON, "CAP_PERFMON"}};
    const bool old_libbpf = libbpf_major_version() == 1 && libbpf_minor_version() < 3;
    if (!has_rdonly_cast && old_libbpf) needed.push_back({CAP_SYS_ADMIN, "CAP_SYS_ADMIN"});
    return needed;
}

std::string missing_to_load(bool has_rdonly_cast) {
    if (has_capability(CAP_SYS_ADMIN)) return {};
    std::string missing;
    for (const NeededCapability& one : needed_to_load(has_rdonly_cast)) {
        if (!has_capability(one.number))
            missing += (missing.empty() ? "" : " and ") + std::string(one.name);
    }
    return missing;
}

}  // namespace jsguard
