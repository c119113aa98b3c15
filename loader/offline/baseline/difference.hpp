// SPDX-License-Identifier: BSD-2-Clause
// The divergence of two baseline files, port by port.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/baseline_file.hpp"
#include "offline/baseline/distribution.hpp"

namespace jsguard {

// A port that both files have.
struct BaselineDifference {
    std::uint16_t port = 0;
    Divergence transitions;  // the window is b, the baseline is a
    Divergence occupancy;
    std::uint32_t expected_millisockets = 0;  // expected by a at b's rate of exchanges
    jsg_baseline a{}, b{};
};

struct FileDifference {
    std::vector<BaselineDifference> ports;
    std::vector<std::uint16_t> only_a, only_b;
};

FileDifference difference_of(const Baselines& a, const Baselines& b);

// The largest divergence of all ports and both signals.
std::uint32_t largest_nanobits(const FileDifference& difference);

// Several lines, each with its newline. name_a, name_b: the names of the files in the text.
std::string difference_text(const FileDifference& difference, const std::string& name_a,
                            const std::string& name_b);

}  // namespace jsguard
