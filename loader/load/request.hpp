// SPDX-License-Identifier: BSD-2-Clause
// What tells one detector, and what it was asked to do, from another.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/baseline_file.hpp"
#include "load/options.hpp"

namespace jsguard {

// FNV-1a (Fowler, Noll, Vo), the same in every version and build.
std::uint64_t hash_of(std::string_view bytes);

// Of all that the detector is told: config as it is without hashes and instance, the ports, and the
// baselines that it starts from, unless they are a file that it keeps itself.
std::uint64_t options_hash(const jsg_config& config, const Options& options,
                           const Baselines& given = {});

// The time in seconds, and 16 random bits for two in one second.
std::uint64_t new_instance();

}  // namespace jsguard
