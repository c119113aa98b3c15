// SPDX-License-Identifier: BSD-2-Clause
// The system calls that are left to a detector's loader once it has attached.
#pragma once

namespace jsguard {

// Every other one fails with EPERM, until this process ends. It must have no_new_privs. Throws
// Error(runtime), or Error(unsupported) if the kernel has no such filters.
void filter_system_calls();

}  // namespace jsguard
