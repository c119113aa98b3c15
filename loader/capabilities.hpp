// SPDX-License-Identifier: BSD-2-Clause
// What this process is permitted, asked of the kernel.
#pragma once

#include <string>

namespace jsguard {

// Whether it has a capability (CAP_...) in effect.
bool has_capability(unsigned capability);

// Whether it may load tracing programs (CAP_BPF with CAP_PERFMON, or CAP_SYS_ADMIN).
bool may_load_programs();

// What it lacks for that, "CAP_BPF and CAP_PERFMON"; empty if nothing.
std::string missing_to_load();

}  // namespace jsguard
