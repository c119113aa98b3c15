// SPDX-License-Identifier: BSD-2-Clause
// Some days of one service: quiet days on which every alert is false, and a day of attacks.
#pragma once

#include <array>
#include <cstdint>

#include "kernel/jsguard.h"
#include "tests/simulation/mixes.hpp"

namespace simulation {

constexpr std::uint32_t starts = 8;  // detectors, started every three hours of the first day
// The first detector is started so long after midnight, because the simulated service begins empty.
constexpr std::uint32_t warm_up_s = 900;
constexpr double attack_s = 100;  // how long an attack takes

struct AttackSize {
    std::uint32_t connections;
    double per_second;  // so many are opened
};
// An attack in each hour of the last day, in turn.
constexpr std::array<AttackSize, 2> attack_sizes{{{150, 10}, {60, 4}}};

struct Found {
    std::uint32_t attacks = 0;
    std::uint32_t found = 0;       // an alert was raised during the attack
    std::uint32_t already_up = 0;  // a false alert was up when the attack began
    double delay_s = 0;            // sum, from the beginning of the attack to the alert

    void operator+=(const Found& other) {
        attacks += other.attacks;
        found += other.found;
        already_up += other.already_up;
        delay_s += other.delay_s;
    }
};

// The results of one detector. Its alerts on quiet days are false.
struct StartResult {
    std::uint32_t quiet_days = 0;
    std::uint32_t alerts = 0;   // raised on quiet days
    std::uint32_t alert_s = 0;  // time with an alert up, on quiet days
    std::array<Found, attack_sizes.size()> found;

    void operator+=(const StartResult& other);
};

struct TrialResult {
    std::array<StartResult, starts> by_start;
    std::uint64_t connections = 0;
    std::uint64_t untracked = 0;  // connections that the detector never sampled
};

// days: at least 3. The first one has no result, because the detectors are started on it. The last
// one has the attacks.
TrialResult run_trial(const Mix& mix, const jsg_config& config, std::uint64_t seed,
                      std::uint32_t days);

// Opens the connections of a mix, second by second.
class Arrivals {
  public:
    Arrivals(const Mix& mix, std::uint64_t seed);

    // Calls open(time in seconds, plan function) for each arrival in the second after that moment,
    // in no order. The plan function fills a plan.
    template <class Open>
    void in_second(std::uint32_t second, Open open) {
        const Moment moment{static_cast<double>(second)};
        for (std::size_t i = 0; i < mix_.kinds.size(); ++i) {
            const double rate = mix_.kinds[i].per_second(moment);
            if (rate <= 0) continue;
            for (double after_s = randoms_[i].exponential(1 / rate); after_s < 1;
                 after_s += randoms_[i].exponential(1 / rate)) {
                open(second + after_s,
                     [&](Plan& plan) { mix_.kinds[i].plan(randoms_[i], moment, plan); });
            }
        }
    }

  private:
    const Mix& mix_;
    std::vector<Random> randoms_;  // of each kind its own, so that a new kind changes no other
};

}  // namespace simulation
