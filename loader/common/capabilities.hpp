// SPDX-License-Identifier: BSD-2-Clause
// What this process is permitted, asked of the kernel.
#pragma once

namespace jsguard {

// Whether it has a capability (CAP_...) in effect.
bool has_capability(unsigned capability);

}  // namespace jsguard
