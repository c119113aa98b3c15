// SPDX-License-Identifier: BSD-2-Clause
// What this process gives up once the detector is attached, and what it must ask before.
#pragma once

#include <filesystem>
#include <string_view>

namespace jsguard {

// Throws Error(usage) if this user could replace the file only by a capability that
// drop_privilege() gives up. option: the one that named it. Other obstacles are check_target()'s.
void need_writable_without_privilege(const std::filesystem::path& target, std::string_view option);

// Leaves this process no capability, no way to gain one, and no system call but those that a
// detector's loader makes once it has attached (docs/privilege.md has the list). The user stays. In
// a process with one thread. Throws Error(runtime), or Error(unsupported) if the kernel filters no
// system calls.
void drop_privilege();

}  // namespace jsguard
