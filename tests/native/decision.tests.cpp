// SPDX-License-Identifier: BSD-2-Clause
// Tests of expected numbers and verdicts: edges by name, then properties.
#include "kernel/decision.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <random>
#include <vector>

#include "tests/catch_compat.hpp"

namespace {

using Wide = unsigned __int128;

constexpr std::uint32_t u32_max = 0xffffffff;

constexpr std::uint32_t threshold = 120'000'000;
constexpr std::uint32_t bound = 300'000'000;  // a significance bound above the threshold

jsg_config test_config() {
    jsg_config config{};
    config.min_transitions = 100;
    config.min_sockets = 20;
    return config;
}

}  // namespace

TEST_CASE("what does not fit 32 bits is the largest number that does", "[decision]") {
    CHECK(jsg_saturate_u32(0) == 0);
    CHECK(jsg_saturate_u32(u32_max) == u32_max);
    CHECK(jsg_saturate_u32(JSG_U32_MAX + 1) == u32_max);
    CHECK(jsg_saturate_u32(~0ULL) == u32_max);
}

TEST_CASE("a rate is in thousandths a second, rounded down", "[decision]") {
    struct Row {
        const char* name;
        std::uint64_t number;
        std::uint32_t seconds, milli;
    };
    const Row row = GENERATE(values<Row>({
        {"nothing", 0, 1, 0},
        {"one a second", 1, 1, 1000},
        {"one in three seconds", 1, 3, 333},
        {"two in three seconds", 2, 3, 666},
        {"one in 1,000 s", 1, 1000, 1},
        {"one in 1,001 s", 1, 1001, 0},
        {"the largest that fits", 4'294'967, 1, 4'294'967'000},
        {"the first that does not", 4'294'968, 1, u32_max},
        {"32 bits of them", u32_max, 1, u32_max},
        {"32 bits of them over 300 s", u32_max, 300, u32_max},
        {"32 bits of them over 1,000 s", u32_max, 1000, u32_max},
        {"a total of 40 bits", 1ULL << JSG_TOTAL_BITS, 1, u32_max},
    }));
    CAPTURE(row.name);
    CHECK(jsg_rate_milli(row.number, row.seconds) == row.milli);
}

TEST_CASE("the expected number grows with the exchanges and is never below the baseline's",
          "[decision]") {
    struct Row {
        const char* name;
        std::uint32_t base, base_rate, rate, expected;
    };
    const Row row = GENERATE(values<Row>({
        {"as in the baseline", 5'000, 10'000, 10'000, 5'000},
        {"twice the exchanges", 5'000, 10'000, 20'000, 10'000},
        {"ten times the exchanges", 5'000, 10'000, 100'000, 50'000},
        {"half as much again", 5'000, 10'000, 15'000, 7'500},
        {"half the exchanges", 5'000, 10'000, 5'000, 5'000},
        {"no exchange", 5'000, 10'000, 0, 5'000},
        {"one thousandth more, which 16 bits of fraction hold", 1'000'000, 10'000, 10'001,
         1'000'091},  // 1.0001 rounded down to 65542/65536
        {"nothing open in the baseline", 0, 10'000, 1'000'000, 0},
        {"no exchange in the baseline, none now", 5'000, 0, 0, 5'000},
        {"no exchange in the baseline: a second for each", 5'000, 0, 7'000, 12'000},
        {"no exchange in the baseline, saturated", u32_max, 0, 1, u32_max},
        {"a baseline with nothing at all: a second for each", 0, 0, 7'000, 7'000},
        {"saturated by the number", u32_max, 1'000, 2'000, u32_max},
        {"the largest that fits", u32_max, 1'000, 1'000, u32_max},
        {"saturated by the ratio", 1'000, 1, u32_max, 65'535'999},
        {"everything at its largest", u32_max, u32_max, u32_max, u32_max},
    }));
    CAPTURE(row.name);
    CHECK(jsg_expected_milli(row.base, row.base_rate, row.rate) == row.expected);
}

TEST_CASE("the expected number is n_b max(1, a / a_b) to 16 bits of the ratio", "[decision]") {
    std::mt19937_64 random(1);
    for (int i = 0; i < 100'000; ++i) {
        const auto base = static_cast<std::uint32_t>(random() >> (32 + random() % 32));
        const auto base_rate = static_cast<std::uint32_t>(random() >> (32 + random() % 32)) | 1;
        const auto rate = static_cast<std::uint32_t>(random() >> (32 + random() % 32));
        const auto ratio = std::max(1.0L, static_cast<long double>(rate) / base_rate);
        const auto exact = base * ratio;
        const auto found = jsg_expected_milli(base, base_rate, rate);
        CAPTURE(base, base_rate, rate, exact);
        REQUIRE(found >= base);
        REQUIRE(found <= exact);
        if (found != u32_max && ratio < 65535) REQUIRE(exact - found < base / 65536.0L + 1);
        REQUIRE(jsg_expected_milli(base, base_rate, rate | 1) >= found);
    }
}

TEST_CASE(
    "open sockets above twice the expected number are excess, the baseline's cells share 2e/n",
    "[decision]") {
    struct Row {
        const char* name;
        std::uint32_t open, expected, excess;
        std::uint64_t share_q32;
    };
    const Row row = GENERATE(values<Row>({
        {"nothing open, nothing expected", 0, 0, 0, JSG_ONE_Q32},
        {"nothing open", 0, 5'000, 0, JSG_ONE_Q32},
        {"as many as expected", 5'000, 5'000, 0, JSG_ONE_Q32},
        {"exactly twice", 10'000, 5'000, 0, JSG_ONE_Q32},
        {"a thousandth of a socket above twice", 10'001, 5'000, 1, (10'000 * JSG_ONE_Q32) / 10'001},
        {"four times", 20'000, 5'000, 10'000, JSG_ONE_Q32 / 2},
        {"eight times", 40'000, 5'000, 30'000, JSG_ONE_Q32 / 4},
        {"none expected", 1'000, 0, 1'000, 0},
        {"the largest number, none expected", u32_max, 0, u32_max, 0},
        {"the largest number, and half of it expected", u32_max, 1U << 31, 0, JSG_ONE_Q32},
        {"the largest number, and a little less than half expected", u32_max, (1U << 31) - 1, 1,
         (0xfffffffeULL << 32) / u32_max},
        {"the largest of both", u32_max, u32_max, 0, JSG_ONE_Q32},
    }));
    CAPTURE(row.name);
    const jsg_expectation e = jsg_expect(row.open, row.expected, 0, 0);
    CHECK(e.open == row.open);
    CHECK(e.expected == row.expected);
    CHECK((e.stalled == 0 && e.stalled_excess == 0));
    CHECK(e.excess == row.excess);
    CHECK(e.share_q32 == row.share_q32);
}

TEST_CASE("stalled sockets above twice their expected number are excess, however many are open",
          "[decision]") {
    struct Row {
        const char* name;
        std::uint32_t stalled, stalled_expected, stalled_excess;
    };
    const Row row = GENERATE(values<Row>({
        {"nothing stalled", 0, 5'000, 0},
        {"exactly twice", 10'000, 5'000, 0},
        {"a thousandth of a socket above twice", 10'001, 5'000, 1},
        {"none expected", 1'000, 0, 1'000},
        {"the largest number, and half of it expected", u32_max, 1U << 31, 0},
        {"the largest number, and a little less than half expected", u32_max, (1U << 31) - 1, 1},
        {"the largest number, none expected", u32_max, 0, u32_max},
    }));
    CAPTURE(row.name);
    for (const std::uint32_t open : {row.stalled, u32_max}) {
        const jsg_expectation e = jsg_expect(open, open, row.stalled, row.stalled_expected);
        CHECK(e.stalled == row.stalled);
        CHECK(e.stalled_excess == row.stalled_excess);
        CHECK(e.excess == 0);
    }
}

TEST_CASE("the share and the excess agree for any number", "[decision]") {
    std::mt19937_64 random(2);
    const auto number = [&] {
        return static_cast<std::uint32_t>(random() >> (32 + random() % 32));
    };
    for (int i = 0; i < 100'000; ++i) {
        const auto open = number(), expected = number(), stalled = number(),
                   stalled_expected = number();
        const jsg_expectation e = jsg_expect(open, expected, stalled, stalled_expected);
        CAPTURE(open, expected, stalled, stalled_expected);
        REQUIRE(e.share_q32 <= JSG_ONE_Q32);
        REQUIRE((e.excess == 0) == (e.share_q32 == JSG_ONE_Q32));
        if (e.excess) {
            REQUIRE(e.excess + 2 * std::uint64_t{expected} == open);
            REQUIRE(e.share_q32 ==
                    static_cast<std::uint64_t>((Wide{open - e.excess} << 32) / open));
        }
        REQUIRE(
            std::int64_t{e.stalled_excess} ==
            std::max<std::int64_t>(0, std::int64_t{stalled} - 2 * std::int64_t{stalled_expected}));
    }
}

TEST_CASE("an excess is evidence if more sockets are open and more are stalled than usual",
          "[decision]") {
    struct Row {
        const char* name;
        std::uint32_t excess, stalled_excess;
        bool exceeds;
    };
    const Row row = GENERATE(values<Row>({
        {"no excess", 0, 0, false},
        {"both just enough", 20'000, 20'000, true},
        {"open a thousandth of a socket too few", 19'999, 20'000, false},
        {"stalled a thousandth of a socket too few", 20'000, 19'999, false},
        {"all of it moves", u32_max, 0, false},
        {"stalled alone", 0, u32_max, false},
        {"everything at its largest", u32_max, u32_max, true},
    }));
    CAPTURE(row.name);
    jsg_config config = test_config();
    jsg_expectation sockets{};
    sockets.excess = row.excess;
    sockets.stalled_excess = row.stalled_excess;
    CHECK(jsg_exceeds(&config, &sockets) == row.exceeds);
    // A minimum that needs more than 32 bits of thousandths is never reached.
    config.min_sockets = u32_max;
    CHECK_FALSE(jsg_exceeds(&config, &sockets));
    config.min_sockets = 0;
    CHECK(jsg_exceeds(&config, &sockets));
}

TEST_CASE("opening and closing are balanced up to half as many again and min_sockets",
          "[decision]") {
    struct Row {
        const char* name;
        std::uint32_t more, less;
        bool balanced;
    };
    const Row row = GENERATE(values<Row>({
        {"nothing", 0, 0, true},
        {"as many", 500, 500, true},
        {"min_sockets against none", 20, 0, true},
        {"one above min_sockets against none", 21, 0, false},
        {"half as many again and min_sockets", 170, 100, true},
        {"one above that", 171, 100, false},
        {"just balanced, where the products need 33 bits", u32_max, 2'863'311'517, true},
        {"just not, at 32 bits", u32_max, 2'863'311'516, false},
        {"the largest of both", u32_max, u32_max, true},
        {"the largest against none", u32_max, 0, false},
    }));
    CAPTURE(row.name);
    const jsg_config config = test_config();
    CHECK(jsg_balanced(&config, row.more, row.less) == row.balanced);
    CHECK(jsg_balanced(&config, row.less, row.more) == row.balanced);
}

TEST_CASE("verdicts on transitions at, below and above each bound", "[decision]") {
    struct Row {
        const char* name;
        std::uint32_t transitions, js, bound;
        jsg_verdict balanced, unbalanced;
    };
    const Row row = GENERATE(values<Row>({
        {"an empty window", 0, 0, 0, JSG_NOTHING_SEEN, JSG_NOTHING_SEEN},
        {"an empty window has no divergence, whatever is given", 0, JSG_NANO, 0, JSG_NOTHING_SEEN,
         JSG_NOTHING_SEEN},
        {"one transition", 1, JSG_NANO, 0, JSG_NOT_ENOUGH_TRAFFIC, JSG_NOT_ENOUGH_TRAFFIC},
        {"one too few", 99, JSG_NANO, 0, JSG_NOT_ENOUGH_TRAFFIC, JSG_NOT_ENOUGH_TRAFFIC},
        {"one too few, equal", 99, 0, 0, JSG_NOT_ENOUGH_TRAFFIC, JSG_NOT_ENOUGH_TRAFFIC},
        {"just enough, below the threshold", 100, threshold - 1, 0, JSG_NORMAL, JSG_NORMAL},
        {"at the threshold", 100, threshold, 0, JSG_NORMAL, JSG_NORMAL},
        {"above the threshold", 100, threshold + 1, 0, JSG_ABOVE, JSG_UNBALANCED},
        {"at the threshold, below the bound", 100, threshold, bound, JSG_NORMAL, JSG_NORMAL},
        {"above the threshold, below the bound", 100, threshold + 1, bound, JSG_NOT_ENOUGH_TRAFFIC,
         JSG_NOT_ENOUGH_TRAFFIC},
        {"above the threshold, at the bound", 100, bound, bound, JSG_NOT_ENOUGH_TRAFFIC,
         JSG_NOT_ENOUGH_TRAFFIC},
        {"above both, the bound the larger", 100, bound + 1, bound, JSG_ABOVE, JSG_UNBALANCED},
        {"above both, which are equal", 100, threshold + 1, threshold, JSG_ABOVE, JSG_UNBALANCED},
        {"above the threshold, at a bound just above it", 100, threshold + 1, threshold + 1,
         JSG_NOT_ENOUGH_TRAFFIC, JSG_NOT_ENOUGH_TRAFFIC},
        {"disjoint, and the bound allows even that", 100, JSG_NANO, u32_max, JSG_NOT_ENOUGH_TRAFFIC,
         JSG_NOT_ENOUGH_TRAFFIC},
        {"many, equal", u32_max, 0, 0, JSG_NORMAL, JSG_NORMAL},
        {"many, disjoint", u32_max, JSG_NANO, 0, JSG_ABOVE, JSG_UNBALANCED},
    }));
    CAPTURE(row.name);
    const jsg_config config = test_config();
    const jsg_bounds bounds = {row.js, threshold, row.bound};
    CHECK(jsg_judge_transitions(&config, row.transitions, 1, bounds) == row.balanced);
    CHECK(jsg_judge_transitions(&config, row.transitions, 0, bounds) == row.unbalanced);
}

TEST_CASE("a single transition is judged if the user asks for no more", "[decision]") {
    jsg_config config = test_config();
    config.min_transitions = 0;
    CHECK(jsg_judge_transitions(&config, 0, 1, {JSG_NANO, threshold, 0}) == JSG_NOTHING_SEEN);
    CHECK(jsg_judge_transitions(&config, 1, 1, {JSG_NANO, threshold, 0}) == JSG_ABOVE);
}

TEST_CASE("verdicts on occupancy at, below and above each bound", "[decision]") {
    struct Row {
        const char* name;
        std::uint32_t open, excess, stalled_excess, js, bound;
        jsg_verdict verdict;
    };
    const Row row = GENERATE(values<Row>({
        {"nothing open", 0, 0, 0, 0, 0, JSG_NOTHING_SEEN},
        {"nothing open has no divergence, whatever is given", 0, 0, 0, JSG_NANO, 0,
         JSG_NOTHING_SEEN},
        {"few, below the threshold", 100, 100, 100, threshold - 1, 0, JSG_NORMAL},
        {"few, below the threshold and the bound", 100, 100, 100, threshold - 1, bound, JSG_NORMAL},
        {"few, at the threshold, below the bound", 100, 100, 100, threshold, bound, JSG_NORMAL},
        {"few, above the threshold, below the bound", 100, 100, 100, threshold + 1, bound,
         JSG_NOT_ENOUGH_TRAFFIC},
        {"few, at the bound", 100, 100, 100, bound, bound, JSG_NOT_ENOUGH_TRAFFIC},
        {"few, above the bound", 100, 100, 100, bound + 1, bound, JSG_NO_EXCESS},
        {"few, and the bound allows everything", 100, 100, 100, JSG_NANO, u32_max,
         JSG_NOT_ENOUGH_TRAFFIC},
        {"no excess, above the threshold", 90'000, 0, 0, threshold + 1, 0, JSG_NO_EXCESS},
        {"excess a thousandth too small, above", 90'000, 19'999, 20'000, threshold + 1, 0,
         JSG_NO_EXCESS},
        {"excess a thousandth too small, at the threshold", 90'000, 19'999, 20'000, threshold, 0,
         JSG_NORMAL},
        {"both just enough, above", 20'000, 20'000, 20'000, threshold + 1, 0, JSG_ABOVE},
        {"both just enough, at the threshold", 90'000, 20'000, 20'000, threshold, 0,
         JSG_EXCESS_ONLY},
        {"both just enough, equal", 90'000, 20'000, 20'000, 0, 0, JSG_EXCESS_ONLY},
        {"both just enough, below the bound", 90'000, 20'000, 20'000, threshold + 1, bound,
         JSG_EXCESS_ONLY},
        {"both just enough, at the bound", 90'000, 20'000, 20'000, bound, bound, JSG_EXCESS_ONLY},
        {"both just enough, above the bound", 90'000, 20'000, 20'000, bound + 1, bound, JSG_ABOVE},
        {"above the bound, at the threshold", 90'000, 20'000, 20'000, threshold, threshold - 1,
         JSG_EXCESS_ONLY},
        {"stalled a thousandth too few, equal", 90'000, 20'000, 19'999, 0, 0, JSG_MOVING},
        {"stalled a thousandth too few, disjoint", 90'000, 20'000, 19'999, JSG_NANO, 0, JSG_MOVING},
        {"stalled a thousandth too few, below the bound", 90'000, 20'000, 19'999, bound, bound,
         JSG_MOVING},
        {"all of the excess moves", u32_max, u32_max, 0, JSG_NANO, 0, JSG_MOVING},
        {"everything at its largest", u32_max, u32_max, u32_max, JSG_NANO, JSG_NANO - 1, JSG_ABOVE},
    }));
    CAPTURE(row.name);
    const jsg_config config = test_config();
    jsg_expectation sockets{};
    sockets.open = row.open;
    sockets.excess = row.excess;
    sockets.stalled_excess = row.stalled_excess;
    CHECK(jsg_judge_occupancy(&config, &sockets, {row.js, threshold, row.bound}) == row.verdict);
}

TEST_CASE("the threshold is the one given with the divergence, not the configured one",
          "[decision]") {
    jsg_config config = test_config();
    config.transition_threshold_nanobits = JSG_NANO;  // the option may ask for "auto"
    config.occupancy_threshold_nanobits = JSG_NANO;
    const jsg_expectation sockets = jsg_expect(90'000, 5'000, 90'000, 5'000);
    CHECK(jsg_judge_transitions(&config, 1000, 1, {bound, bound - 1, 0}) == JSG_ABOVE);
    CHECK(jsg_judge_transitions(&config, 1000, 1, {bound, bound, 0}) == JSG_NORMAL);
    CHECK(jsg_judge_occupancy(&config, &sockets, {bound, bound - 1, 0}) == JSG_ABOVE);
    CHECK(jsg_judge_occupancy(&config, &sockets, {bound, bound, 0}) == JSG_EXCESS_ONLY);
}

TEST_CASE("a minimum of sockets that needs more than 32 bits of thousandths is never reached",
          "[decision]") {
    jsg_config config = test_config();
    config.min_sockets = u32_max;
    const jsg_expectation sockets = jsg_expect(u32_max, 0, u32_max, 0);
    CHECK(jsg_judge_occupancy(&config, &sockets, {JSG_NANO, threshold, 0}) == JSG_NO_EXCESS);
}
