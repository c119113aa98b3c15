// SPDX-License-Identifier: BSD-2-Clause
// The probability files of earlier tools: JSON with an object "probabilities". Each key is
// "old-new", the kernel's numbers of two TCP states. Each value is the share of the transitions
// from the old state that went to the new state.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "offline/analysis/measures.hpp"

namespace jsguard {

// Shares by (old state, new state). A share is conditional on the old state, so the shares do not
// add up to 1. The counts behind the shares are unknown.
using TransitionPair = std::pair<unsigned, unsigned>;
using Probabilities = std::map<TransitionPair, double>;

// Throws Error(usage), which names the file, if the file cannot be read or is invalid: it is not
// JSON, it has no share above 0, a key is not a pair of states, or a share is not a number from 0
// to 1.
Probabilities read_probabilities(const std::filesystem::path& path);
// The same for the text of a file. The message does not name the file.
Probabilities probabilities_from_json(std::string_view text);

// A distribution from the shares, computed as the tool that wrote the files did: one cell for each
// key, its share clipped to [1e-6, 1], divided by the sum of all. Only for probability files.
// Shares of other keys are left out. keys must not be empty.
ProbabilityVector clipped_probabilities(const Probabilities& probabilities,
                                        const std::set<TransitionPair>& keys);

}  // namespace jsguard
