// SPDX-License-Identifier: BSD-2-Clause
// Probability files, the format of earlier tools. An accepted file has shares of pairs of states,
// and makes a distribution.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "fuzz.hpp"
#include "kernel/jsguard.h"
#include "offline/analysis/probability_file.hpp"

using namespace jsguard;

namespace {

bool is_state(unsigned state) { return state >= JSG_TCP_ESTABLISHED && state < JSG_STATES; }

void check(const Probabilities& probabilities) {
    std::set<TransitionPair> keys;
    bool any = false;
    for (const auto& [pair, share] : probabilities) {
        fuzz::require(is_state(pair.first) && is_state(pair.second), "a key is a pair of states");
        fuzz::require(share >= 0 && share <= 1, "a share is 0 to 1");
        any = any || share > 0;
        keys.insert(pair);
    }
    fuzz::require(any, "a share is above 0");
    keys.insert({JSG_TCP_ESTABLISHED, JSG_TCP_ESTABLISHED});  // a key of another file
    const ProbabilityVector shares = clipped_probabilities(probabilities, keys);
    const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
    fuzz::require(shares.size() == keys.size(), "each key has its share");
    fuzz::require(std::all_of(shares.begin(), shares.end(), [](double s) { return s > 0; }),
                  "no share is 0 after clipping");
    fuzz::require(std::abs(sum - 1) < 1e-9, "the shares add up to 1");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto read =
        fuzz::accepted([&] { return probabilities_from_json(fuzz::text_of(data, size)); });
    if (read) check(*read);
    return 0;
}
