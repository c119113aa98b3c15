// SPDX-License-Identifier: BSD-2-Clause
// Tests of when an alert is raised and cleared, step by step: edges by name, then properties.
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <random>
#include <vector>

#include "kernel/decision.h"
#include "tests/catch_compat.hpp"

namespace {

jsg_config test_config() {
    jsg_config config{};
    config.confirm_steps = 3;
    config.clear_steps = 4;
    return config;
}

// Follows one signal through steps of one second.
struct Followed {
    jsg_config config = test_config();
    jsg_alert_track track{};
    std::uint64_t step = 0;

    std::uint64_t now_ns() const { return step * 1'000'000'000; }
    std::uint64_t now_unix_ms() const { return 1'700'000'000'000 + step * 1000; }
    jsg_change next(jsg_verdict verdict, std::uint32_t js_nanobits = 500'000'000) {
        ++step;
        return jsg_track(&track, &config, verdict, js_nanobits, now_ns(), now_unix_ms());
    }
    // The changes of several steps with the same verdict.
    std::vector<jsg_change> next(int steps, jsg_verdict verdict) {
        std::vector<jsg_change> changes;
        for (int i = 0; i < steps; ++i) changes.push_back(next(verdict));
        return changes;
    }
    void raise() {
        for (std::uint32_t i = 1; i < config.confirm_steps; ++i)
            REQUIRE(next(JSG_ABOVE) == JSG_NO_CHANGE);
        REQUIRE(next(JSG_ABOVE) == JSG_RAISED);
    }
};

constexpr jsg_verdict clearing[] = {JSG_NOTHING_SEEN, JSG_NOT_JUDGED, JSG_NOT_ENOUGH_TRAFFIC,
                                    JSG_NORMAL, JSG_MOVING};
// Verdicts that neither raise nor clear.
constexpr jsg_verdict in_between[] = {JSG_EXCESS_ONLY, JSG_NO_EXCESS, JSG_UNBALANCED};

std::vector<jsg_change> nothing(int steps) {
    return std::vector<jsg_change>(static_cast<std::size_t>(steps), JSG_NO_CHANGE);
}

}  // namespace

TEST_CASE("windows without judgement, normal ones and a moving excess count towards clear",
          "[decision]") {
    for (const jsg_verdict verdict : clearing) CHECK(jsg_counts_towards_clear(verdict));
    for (const jsg_verdict verdict : in_between) CHECK_FALSE(jsg_counts_towards_clear(verdict));
    CHECK_FALSE(jsg_counts_towards_clear(JSG_ABOVE));
    CHECK(std::size(clearing) + std::size(in_between) + 1 == JSG_VERDICTS);
}

TEST_CASE("the set number of steps above the threshold in a row raises, one fewer does not",
          "[decision]") {
    Followed f;
    CHECK(f.track.state == JSG_QUIET);
    CHECK(f.next(JSG_ABOVE) == JSG_NO_CHANGE);
    CHECK(f.track.state == JSG_CONFIRMING);
    CHECK(f.track.above_steps == 1);
    CHECK(f.next(JSG_ABOVE) == JSG_NO_CHANGE);
    CHECK(f.track.state == JSG_CONFIRMING);
    CHECK(f.next(JSG_ABOVE) == JSG_RAISED);
    CHECK(f.track.state == JSG_ALERT);
    CHECK(f.track.raised_ns == f.now_ns());
    CHECK(f.next(20, JSG_ABOVE) == nothing(20));
    CHECK(f.track.state == JSG_ALERT);
}

TEST_CASE("any other verdict restarts the count of steps above the threshold", "[decision]") {
    const auto verdict = static_cast<jsg_verdict>(GENERATE(range(0, int{JSG_ABOVE})));
    CAPTURE(verdict);
    Followed f;
    CHECK(f.next(2, JSG_ABOVE) == nothing(2));
    CHECK(f.next(verdict) == JSG_NO_CHANGE);
    CHECK(f.track.state == JSG_QUIET);
    CHECK(f.track.above_steps == 0);
    CHECK(f.next(2, JSG_ABOVE) == nothing(2));
    CHECK(f.next(JSG_ABOVE) == JSG_RAISED);
}

TEST_CASE("with a confirmation of one step the first step above the threshold raises",
          "[decision]") {
    Followed f;
    f.config.confirm_steps = 1;
    CHECK(f.next(JSG_NO_EXCESS) == JSG_NO_CHANGE);
    CHECK(f.next(JSG_ABOVE) == JSG_RAISED);
    CHECK(f.track.since_unix_ms == f.now_unix_ms());
}

TEST_CASE("the set number of clearing steps in a row clears, one fewer does not", "[decision]") {
    const jsg_verdict verdict = GENERATE(from_range(std::begin(clearing), std::end(clearing)));
    CAPTURE(verdict);
    Followed f;
    f.raise();
    CHECK(f.next(3, verdict) == nothing(3));
    CHECK(f.track.state == JSG_ALERT);
    CHECK(f.track.clear_steps == 3);
    CHECK(f.next(verdict) == JSG_CLEARED);
    CHECK(f.track.state == JSG_QUIET);
    CHECK(f.next(20, verdict) == nothing(20));
}

TEST_CASE("steps of different verdicts clear together", "[decision]") {
    Followed f;
    f.raise();
    CHECK(f.next(JSG_NORMAL) == JSG_NO_CHANGE);
    CHECK(f.next(JSG_NOTHING_SEEN) == JSG_NO_CHANGE);
    CHECK(f.next(JSG_NOT_ENOUGH_TRAFFIC) == JSG_NO_CHANGE);
    CHECK(f.next(JSG_MOVING) == JSG_CLEARED);
}

TEST_CASE(
    "divergence alone, excess alone, an imbalance and a step above the threshold restart the count "
    "towards clear",
    "[decision]") {
    const jsg_verdict verdict =
        GENERATE(values<jsg_verdict>({JSG_NO_EXCESS, JSG_EXCESS_ONLY, JSG_UNBALANCED, JSG_ABOVE}));
    CAPTURE(verdict);
    Followed f;
    f.raise();
    CHECK(f.next(3, JSG_NORMAL) == nothing(3));
    CHECK(f.next(verdict) == JSG_NO_CHANGE);
    CHECK(f.track.clear_steps == 0);
    CHECK(f.next(3, JSG_NORMAL) == nothing(3));
    CHECK(f.next(JSG_NORMAL) == JSG_CLEARED);
}

TEST_CASE("divergence alone, excess alone and an imbalance neither raise nor clear, however long",
          "[decision]") {
    const jsg_verdict verdict = GENERATE(from_range(std::begin(in_between), std::end(in_between)));
    CAPTURE(verdict);
    Followed f;
    CHECK(f.next(50, verdict) == nothing(50));
    CHECK(f.track.state == JSG_QUIET);
    f.raise();
    CHECK(f.next(50, verdict) == nothing(50));
    CHECK(f.track.state == JSG_ALERT);
}

TEST_CASE("the peak is the largest divergence of a step above the threshold since the raise",
          "[decision]") {
    Followed f;
    CHECK(f.next(JSG_ABOVE, 900'000'000) == JSG_NO_CHANGE);
    CHECK(f.next(JSG_ABOVE, 800'000'000) == JSG_NO_CHANGE);
    CHECK(f.next(JSG_ABOVE, 300'000'000) == JSG_RAISED);
    CHECK(f.track.peak_nanobits == 300'000'000);
    f.next(JSG_ABOVE, 250'000'000);
    CHECK(f.track.peak_nanobits == 300'000'000);
    f.next(JSG_ABOVE, 400'000'000);
    CHECK(f.track.peak_nanobits == 400'000'000);
    f.next(JSG_NO_EXCESS, JSG_NANO);
    f.next(JSG_NORMAL, JSG_NANO);
    CHECK(f.track.peak_nanobits == 400'000'000);
    f.next(2, JSG_NORMAL);
    CHECK(f.next(JSG_NORMAL, 100'000'000) == JSG_CLEARED);
    CHECK(f.track.peak_nanobits == 400'000'000);  // the clear reports this peak
}

TEST_CASE("since is the first step of the run that raised", "[decision]") {
    Followed f;
    f.next(2, JSG_ABOVE);
    f.next(JSG_NORMAL);
    f.next(JSG_ABOVE);
    const auto since = f.now_unix_ms();
    f.next(JSG_ABOVE);
    CHECK(f.next(JSG_ABOVE) == JSG_RAISED);
    CHECK(f.track.since_unix_ms == since);
    f.next(JSG_NORMAL);
    f.next(5, JSG_ABOVE);  // a new run during the same alert is no new alert
    CHECK(f.track.since_unix_ms == since);
    f.next(3, JSG_NORMAL);
    CHECK(f.next(JSG_NORMAL) == JSG_CLEARED);
    CHECK(f.track.since_unix_ms == since);
}

TEST_CASE("a second attack after the clear is a second alert with its own figures", "[decision]") {
    Followed f;
    f.raise();
    f.next(JSG_ABOVE, JSG_NANO);
    f.next(3, JSG_NORMAL);
    REQUIRE(f.next(JSG_NORMAL) == JSG_CLEARED);
    CHECK(f.next(JSG_ABOVE, 210'000'000) == JSG_NO_CHANGE);
    const auto since = f.now_unix_ms();
    CHECK(f.next(JSG_ABOVE, 220'000'000) == JSG_NO_CHANGE);
    CHECK(f.next(JSG_ABOVE, 230'000'000) == JSG_RAISED);
    CHECK(f.track.since_unix_ms == since);
    CHECK(f.track.raised_ns == f.now_ns());
    CHECK(f.track.peak_nanobits == 230'000'000);
    CHECK(f.next(3, JSG_NORMAL) == nothing(3));
    CHECK(f.next(JSG_NORMAL) == JSG_CLEARED);
}

TEST_CASE("in random steps, raises and clears alternate, and each follows a full run",
          "[decision]") {
    std::mt19937_64 random(3);
    Followed f;
    f.config.confirm_steps = 2;
    f.config.clear_steps = 2;
    bool raised = false;
    std::vector<jsg_verdict> past(2, JSG_NORMAL);
    int raises = 0;
    for (int i = 0; i < 20'000; ++i) {
        const auto verdict = static_cast<jsg_verdict>(random() % JSG_VERDICTS);
        past = {past[1], verdict};
        const bool all_above = past[0] == JSG_ABOVE && past[1] == JSG_ABOVE;
        const bool all_clearing =
            jsg_counts_towards_clear(past[0]) && jsg_counts_towards_clear(past[1]);
        const jsg_change change = f.next(verdict);
        REQUIRE((change == JSG_RAISED) == (!raised && all_above));
        REQUIRE((change == JSG_CLEARED) == (raised && all_clearing));
        if (change != JSG_NO_CHANGE) raised = !raised;
        REQUIRE((f.track.state == JSG_ALERT) == raised);
        raises += change == JSG_RAISED;
    }
    CHECK(raises > 100);
}
