// SPDX-License-Identifier: BSD-2-Clause
// The service entries that are taken before anything is attached.
#pragma once

#include "common/baseline_file.hpp"
#include "load/options.hpp"

struct jsguard_bpf;

namespace jsguard {

// Takes an entry for each port that the user named, by option or by baseline file; an entry stays
// taken though nobody listens. Ports that the options exclude get none, then or later. The object
// is in the kernel, and nothing is attached. Throws Error.
void take_service_entries(jsguard_bpf& skeleton, const Options& options,
                          const Baselines& baselines);

}  // namespace jsguard
