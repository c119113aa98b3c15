// SPDX-License-Identifier: BSD-2-Clause
// Takes out of the kernel the detector that an earlier loader left there.
#pragma once

#include "load/options.hpp"

namespace jsguard {

// Also what a killed one left behind. The alerts that nobody has read come first, as while it was
// guarded. Throws Error(runtime) if there is none, or a jsguard-load still uses it.
void unload(const Options& options);

}  // namespace jsguard
