// SPDX-License-Identifier: BSD-2-Clause
// The simulated services: what kinds of connections they have, and how many of each at what time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/simulation/curve.hpp"
#include "tests/simulation/plan.hpp"
#include "tests/simulation/random.hpp"

namespace simulation {

// One kind of connections. Their arrivals are a Poisson process.
struct Kind {
    std::string_view name;
    std::function<double(Moment)> per_second;  // constant within a second
    std::function<void(Random&, Moment, Plan&)> plan;
};

struct Mix {
    std::string_view name;
    std::vector<Kind> kinds;
};

// curve: arrivals of visitors, 1 on average.
Mix shop(const Curve& curve);
Mix office(const Curve& curve);
Mix media(const Curve& curve);

struct NamedMix {
    std::string_view name;
    Mix (*make)(const Curve& curve);
};
const std::vector<NamedMix>& all_mixes();

// An attacker's connection, which is held for so long: a request whose header never ends, with some
// bytes every ten seconds.
void plan_slow_header(Random& random, double held_s, Plan& plan);

}  // namespace simulation
