// SPDX-License-Identifier: BSD-2-Clause
// A baseline as a JSON object, in baseline files and in recordings.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "kernel/jsguard.h"

namespace jsguard {

// As in baseline files: without the sums that learning goes on from.
nlohmann::ordered_json baseline_to_json(const jsg_baseline& baseline);
// Totals are added up here; one that is given must be the same. Throws Error(usage) for what is no
// baseline; its message names neither file nor port.
jsg_baseline baseline_from_json(const nlohmann::ordered_json& object);

// Without the sums too.
nlohmann::ordered_json spread_to_json(const jsg_spread& spread);

// As in recordings: with the sums, so that one that is being learned can be learned on.
nlohmann::ordered_json pending_baseline_to_json(const jsg_baseline& pending_baseline);
// It may have seen as little as it likes.
jsg_baseline pending_baseline_from_json(const nlohmann::ordered_json& object);

// Throws Error(usage) if it has seen too little to judge by: a file's counts could be any.
void check_suffices(const jsg_baseline& baseline, std::uint32_t step_s);

}  // namespace jsguard
