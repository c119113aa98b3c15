// SPDX-License-Identifier: BSD-2-Clause
// Asks the kernel which capabilities this process has.
#pragma once

namespace jsguard {

// Whether the capability (CAP_...) is in the effective set of this process.
bool has_capability(unsigned capability);

}  // namespace jsguard
