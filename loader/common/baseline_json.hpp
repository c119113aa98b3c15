// SPDX-License-Identifier: BSD-2-Clause
// A baseline as a JSON object, in baseline files and in recordings.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "kernel/jsguard.h"

namespace jsguard {

// As in baseline files: without the sums that learning needs to continue.
nlohmann::ordered_json baseline_to_json(const jsg_baseline& baseline);
// Computes the totals from the counts. A total in the object must be equal to the computed one.
// Throws Error(usage) for an invalid baseline; the message names neither file nor port.
jsg_baseline baseline_from_json(const nlohmann::ordered_json& object);

// Also without these sums.
nlohmann::ordered_json spread_to_json(const jsg_spread& spread);

// As in recordings: with the sums, so that replay can continue learning.
nlohmann::ordered_json pending_baseline_to_json(const jsg_baseline& pending_baseline);
// Accepts any amount of traffic, because a pending baseline is not complete.
jsg_baseline pending_baseline_from_json(const nlohmann::ordered_json& object);

// Throws Error(usage) if the baseline has too little traffic to judge by. A file may have any
// counts.
void check_suffices(const jsg_baseline& baseline, std::uint32_t step_s);

}  // namespace jsguard
