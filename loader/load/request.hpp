// SPDX-License-Identifier: BSD-2-Clause
// Identifies a detector and its configuration: hashes and instance numbers.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/baseline_file.hpp"
#include "load/options.hpp"

namespace jsguard {

// FNV-1a (Fowler, Noll, Vo), the same in every version and build.
std::uint64_t hash_of(std::string_view bytes);

// A hash of the detector's whole configuration: config without hashes and instance, the ports, and
// the baselines that it starts from. With --keep-baseline the baselines are left out, because the
// detector changes them itself.
std::uint64_t options_hash(const jsg_config& config, const Options& options,
                           const Baselines& given = {});

// The time in seconds and 16 random bits, which distinguish two detectors of the same second.
std::uint64_t new_instance();

}  // namespace jsguard
