// SPDX-License-Identifier: BSD-2-Clause
// Claims service entries for pinned services before anything is attached.
#pragma once

#include "common/baseline_file.hpp"
#include "load/options.hpp"

struct jsguard_bpf;

namespace jsguard {

// Before the object is loaded: makes the map of saved baselines large enough for so many, and for
// those that the kernel saves later.
void make_room_for_baselines(jsguard_bpf& skeleton, std::size_t number);

// Takes a pinned entry for each port that the user named, by option or by baseline file. Ports that
// the options exclude never get an entry. The object must be in the kernel, with nothing attached.
// Throws Error.
void take_service_entries(jsguard_bpf& skeleton, const Options& options,
                          const Baselines& baselines);

}  // namespace jsguard
