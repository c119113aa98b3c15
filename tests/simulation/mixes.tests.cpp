// SPDX-License-Identifier: BSD-2-Clause
// Tests of the mixes: their rates and lifetimes, and that every connection ends as TCP ends.
#include "tests/simulation/mixes.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/catch_compat.hpp"
#include "tests/simulation/trial.hpp"

using namespace simulation;

namespace {

constexpr std::uint32_t hour_s = 3600;

double seconds_of(const Plan& plan) {
    double ms = 0;
    for (const Stage& stage : plan.stages()) ms += stage.ms;
    return ms / 1000;
}

// Whether each change of state is one that TCP knows.
bool is_possible(const Plan& plan) {
    const std::multimap<int, int> next{
        {JSG_TCP_ESTABLISHED, JSG_TCP_FIN_WAIT1}, {JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE_WAIT},
        {JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE},     {JSG_TCP_FIN_WAIT1, JSG_TCP_FIN_WAIT2},
        {JSG_TCP_FIN_WAIT2, JSG_TCP_CLOSE},       {JSG_TCP_CLOSE_WAIT, JSG_TCP_LAST_ACK},
        {JSG_TCP_LAST_ACK, JSG_TCP_CLOSE}};
    int state = JSG_TCP_ESTABLISHED;
    for (const Stage& stage : plan.stages()) {
        // The client sends nothing after its FIN, and the server sends nothing after its own.
        if (stage.act == Act::receive && state != JSG_TCP_ESTABLISHED) return false;
        if (stage.act == Act::send && state != JSG_TCP_ESTABLISHED && state != JSG_TCP_CLOSE_WAIT)
            return false;
        if (stage.act != Act::enter) continue;
        const auto [first, last] = next.equal_range(state);
        if (std::none_of(first, last, [&](auto pair) { return pair.second == stage.state; }))
            return false;
        state = stage.state;
    }
    return state == JSG_TCP_CLOSE;
}

const Mix& mix_of(const char* name) {
    static const Curve flat(300, std::vector<double>(288, 1));
    static std::map<std::string, Mix> made;
    for (const NamedMix& mix : all_mixes()) {
        if (mix.name == name && !made.contains(name)) made.emplace(name, mix.make(flat));
    }
    return made.at(name);
}

const Kind& kind_of(const char* mix, const char* name) {
    for (const Kind& kind : mix_of(mix).kinds) {
        if (kind.name == name) return kind;
    }
    throw std::logic_error(name);
}

// The mean lifetime of a kind's connections at a moment.
double lifetime(const Kind& kind, Moment moment) {
    constexpr int number = 2000;
    Random random(5, 5);
    double sum = 0;
    Plan plan;
    for (int i = 0; i < number; ++i) {
        plan.clear();
        kind.plan(random, moment, plan);
        sum += seconds_of(plan);
    }
    return sum / number;
}

}  // namespace

TEST_CASE("Every connection of every mix ends, by states that TCP has", "[simulation]") {
    Random random(3, 3);
    for (const NamedMix& named : all_mixes()) {
        for (const Kind& kind : mix_of(std::string(named.name).c_str()).kinds) {
            CAPTURE(named.name, kind.name);
            for (int i = 0; i < 500; ++i) {
                Plan plan;
                kind.plan(random, {1.5 * hour_s + 50 * i}, plan);
                REQUIRE(plan.is_complete());
                REQUIRE(is_possible(plan));
            }
        }
    }
    Plan plan;
    plan_slow_header(random, attack_s, plan);
    CHECK(plan.is_complete());
    CHECK(is_possible(plan));
    CHECK(seconds_of(plan) == Approx(attack_s).margin(1));
}

TEST_CASE("The mixes have the connections that docs/simulation.md names", "[simulation]") {
    const Moment day{10.0 * hour_s}, night{23.0 * hour_s}, evening{20.0 * hour_s};
    CHECK(lifetime(kind_of("shop", "short"), day) < 0.5);
    CHECK(lifetime(kind_of("shop", "browser"), day) > 30);
    // Little's law: open connections are arrivals times lifetime.
    const Kind& polls = kind_of("office", "long poll");
    constexpr double pauses = 2 / 22.5;  // the client asks again after 2 s
    CHECK(polls.per_second(day) * lifetime(polls, day) == Approx(94 * (1 + pauses)).epsilon(0.03));
    CHECK(polls.per_second(night) * lifetime(polls, night) ==
          Approx(4 * (1 + pauses)).epsilon(0.03));
    CHECK(lifetime(kind_of("office", "report"), day) == Approx(6.4).epsilon(0.05));
    const Kind& batch = kind_of("office", "batch");
    CHECK(batch.per_second(day) == 0);
    CHECK(batch.per_second({1.5 * hour_s}) * 30 == Approx(30));
    CHECK(lifetime(batch, {1.5 * hour_s}) == Approx(1.5 * hour_s).margin(60));
    const Kind& film = kind_of("media", "film");
    CHECK(film.per_second(evening) == Approx(2 * film.per_second(day)));
}

TEST_CASE("Arrivals come at the rate of their kind, at random times", "[simulation]") {
    const Mix& mix = mix_of("shop");
    Arrivals arrivals(mix, 9);
    constexpr std::uint32_t seconds = 1000;
    double expected = 0;
    for (const Kind& kind : mix.kinds) expected += kind.per_second({0}) * seconds;
    std::uint32_t number = 0, empty = 0;
    double fractions = 0;
    for (std::uint32_t second = 0; second < seconds; ++second) {
        const std::uint32_t before = number;
        arrivals.in_second(second, [&](double s, auto) {
            REQUIRE(s >= second);
            REQUIRE(s < second + 1);
            fractions += s - second;
            ++number;
        });
        empty += number == before;
    }
    CHECK(std::abs(number - expected) < 6 * std::sqrt(expected));
    CHECK(fractions / number == Approx(0.5).margin(0.02));
    CHECK(empty == 0);  // 26 are expected in each second
}
