// SPDX-License-Identifier: BSD-2-Clause
// How realistic visitors differ from each other: their lifetimes, their pauses, and the connections
// that are never used. honest-load draws from it for HTTP, field-client for other protocols.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>

namespace visits {

constexpr double unused_share = 0.2;       // of all connections: opened and never used
constexpr double one_request_share = 0.5;  // of the others
constexpr double aborted_share = 0.04;     // of the others

constexpr double max_lifetime_s = 300;
constexpr double max_think_s = 60;  // shorter than the keep-alive time-out of servers

// The longest time that an unused connection stays open, at this number of visitors a second.
constexpr double max_unused_s(double rate) { return rate < 20 ? 120 : 2; }

// The lifetime of a connection with more than one request: a long tail (Pareto, median 1 s).
inline double draw_lifetime_s(std::mt19937& random) {
    // The largest draws cannot be infinite, because the share is below 1.
    const double share = std::uniform_real_distribution<>(0, 0.9999)(random);
    return std::min(0.5 * std::pow(1 - share, -1 / 1.1), max_lifetime_s);
}

// The pause between two requests: median 1 s.
class ThinkTime {
  public:
    double draw_s(std::mt19937& random) {
        return std::clamp(distribution_(random), 0.02, max_think_s);
    }

  private:
    std::lognormal_distribution<> distribution_{0, 1.2};
};

}  // namespace visits
