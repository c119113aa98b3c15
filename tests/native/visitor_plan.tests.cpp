// SPDX-License-Identifier: BSD-2-Clause
// The realistic visitors of the system tests: how long they stay, and how many never ask.
#include <algorithm>
#include <vector>

#include "tests/catch_compat.hpp"
#include "tests/system/honest_plan.hpp"

using namespace honest;

namespace {

constexpr int visit_count = 20'000;

// A client's own time: pauses, and the end that it chooses.
double planned_s(const Plan& plan) {
    double sum = plan.last_pause_s;
    for (const double pause : plan.pauses_s) sum += pause;
    return sum;
}

std::vector<Plan> arrivals(double rate, Realism realism) {
    Visitors visitors(Profile::realistic, rate, 0, 10, 10'000, 7, realism);
    std::vector<Plan> plans;
    for (int i = 0; i < visit_count; i++) plans.push_back(visitors.arrive());
    return plans;
}

double share(const std::vector<Plan>& plans, auto matches) {
    return static_cast<double>(std::count_if(plans.begin(), plans.end(), matches)) / visit_count;
}

bool unused(const Plan& plan) { return plan.pauses_s.empty(); }

}  // namespace

TEST_CASE("a fifth of the realistic connections is never used and closes in its time") {
    for (const double limit_s : {2.0, 120.0}) {
        const auto plans = arrivals(8, {.unused_share = 0.2, .unused_s = limit_s});
        CHECK(share(plans, unused) > 0.19);
        CHECK(share(plans, unused) < 0.21);
        double longest_s = 0;
        for (const Plan& plan : plans) {
            if (!unused(plan)) continue;
            CHECK(plan.ending == Ending::client_closes);
            longest_s = std::max(longest_s, plan.last_pause_s);
        }
        CHECK(longest_s < limit_s);
        CHECK(longest_s > 0.9 * limit_s);
    }
}

TEST_CASE("without unused connections every realistic visitor asks") {
    CHECK(share(arrivals(8, {.unused_share = 0}), unused) == 0);
}

TEST_CASE("realistic lifetimes go from under a second to minutes, with a long tail") {
    const auto plans = arrivals(40, {.unused_share = 0});
    const auto longer = [&](double seconds) {
        return share(plans, [&](const Plan& plan) { return planned_s(plan) > seconds; });
    };
    CHECK(longer(1) < 0.5);
    CHECK(longer(1) > 0.25);
    CHECK(longer(10) > 0.01);
    CHECK(longer(60) > 0.001);
    CHECK(longer(60) < 0.02);
    // The tail ends: the largest lifetime, one more think time and the last pause.
    CHECK(longer(362) == 0);
}

TEST_CASE("some realistic visitors abort, keep alive or wait for the server") {
    const auto plans = arrivals(40, {});
    const auto ends = [&](Ending ending) {
        return share(plans, [&](const Plan& plan) { return plan.ending == ending; });
    };
    CHECK(ends(Ending::aborted_with_reset) > 0.005);
    CHECK(ends(Ending::aborted_with_close) > 0.005);
    CHECK(ends(Ending::server_closes_idle) > 0.01);
    CHECK(share(plans, [](const Plan& plan) { return plan.pauses_s.size() > 1; }) > 0.2);
}

TEST_CASE("realistic visitors come at their rate") {
    Visitors visitors(Profile::realistic, 40, 0, 10, 10'000, 3, {});
    for (int i = 0; i < visit_count; i++) visitors.arrive();
    CHECK(visitors.next_arrival_s() > 0.97 * visit_count / 40);
    CHECK(visitors.next_arrival_s() < 1.03 * visit_count / 40);
}
