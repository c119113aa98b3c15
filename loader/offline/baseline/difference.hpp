// SPDX-License-Identifier: BSD-2-Clause
// How far two baseline files are apart, port by port.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/baseline_file.hpp"
#include "offline/baseline/distribution.hpp"

namespace jsguard {

// One port that both have.
struct BaselineDifference {
    std::uint16_t port = 0;
    Divergence transitions;  // "window": of b, "baseline": of a
    Divergence occupancy;
    std::uint32_t expected_millisockets = 0;  // by a, at b's exchanges a second
    jsg_baseline a{}, b{};
};

struct FileDifference {
    std::vector<BaselineDifference> ports;
    std::vector<std::uint16_t> only_a, only_b;
};

FileDifference difference_of(const Baselines& a, const Baselines& b);

// Of all ports and both distributions.
std::uint32_t largest_nanobits(const FileDifference& difference);

// Several lines, each with its newline. names: what the files are called.
std::string difference_text(const FileDifference& difference, const std::string& name_a,
                            const std::string& name_b);

}  // namespace jsguard
