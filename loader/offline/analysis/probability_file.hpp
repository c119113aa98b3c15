// SPDX-License-Identifier: BSD-2-Clause
// The probability files of earlier tools: JSON whose "probabilities" maps "old-new", the kernel's
// numbers of two TCP states, to the share of the old state's transitions that went to the new one.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "offline/analysis/measures.hpp"

namespace jsguard {

// By (old state, new state). The shares are conditional on the old state, so they do not add up to
// 1; the counts that they were made of are not known.
using TransitionPair = std::pair<unsigned, unsigned>;
using Probabilities = std::map<TransitionPair, double>;

// Throws Error(usage), which names the file, if it cannot be read or is not sound: not JSON,
// nothing in it, a key that is no pair of states, a share that is not a number from 0 to 1.
Probabilities read_probabilities(const std::filesystem::path& path);
// The same of a file's text; the message does not name the file.
Probabilities probabilities_from_json(std::string_view text);

// What the tool that wrote these files made of them, and the analysis of no others: a cell for each
// key, its share clipped to [1e-6, 1], divided by the sum of all. Keys that are not among them are
// left out. keys is not empty.
ProbabilityVector clipped_probabilities(const Probabilities& probabilities,
                                        const std::set<TransitionPair>& keys);

}  // namespace jsguard
