// SPDX-License-Identifier: BSD-2-Clause
// Expected numbers and verdicts: edges by name, then properties.
#include "kernel/decision.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <random>
#include <vector>

#include "tests/catch_compat.hpp"

namespace {

using Wide = unsigned __int128;

constexpr std::uint32_t u32_most = 0xffffffff;

constexpr std::uint32_t threshold = 120'000'000;
constexpr std::uint32_t beyond = 300'000'000;  // what chance gives, where it is over the threshold

jsg_config test_config() {
    jsg_config config{};
    config.min_transitions = 100;
    config.min_sockets = 20;
    return config;
}

}  // namespace

TEST_CASE("what does not fit 32 bits is the largest number that does", "[decision]") {
    CHECK(jsg_saturate_u32(0) == 0);
    CHECK(jsg_saturate_u32(u32_most) == u32_most);
    CHECK(jsg_saturate_u32(JSG_U32_MAX + 1) == u32_most);
    CHECK(jsg_saturate_u32(~0ULL) == u32_most);
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
        {"the first that does not", 4'294'968, 1, u32_most},
        {"32 bits of them", u32_most, 1, u32_most},
        {"32 bits of them over 300 s", u32_most, 300, u32_most},
        {"32 bits of them over 1,000 s", u32_most, 1000, u32_most},
        {"a total of 40 bits", 1ULL << JSG_TOTAL_BITS, 1, u32_most},
    }));
    CAPTURE(row.name);
    CHECK(jsg_rate_milli(row.number, row.seconds) == row.milli);
}

TEST_CASE("the expected number grows with the exchanges and never falls under the baseline's",
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
        {"no exchange in the baseline, saturated", u32_most, 0, 1, u32_most},
        {"a baseline with nothing at all: a second for each", 0, 0, 7'000, 7'000},
        {"saturated by the number", u32_most, 1'000, 2'000, u32_most},
        {"the largest that fits", u32_most, 1'000, 1'000, u32_most},
        {"saturated by the ratio", 1'000, 1, u32_most, 65'535'999},
        {"everything at its largest", u32_most, u32_most, u32_most, u32_most},
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
        if (found != u32_most && ratio < 65535) REQUIRE(exact - found < base / 65536.0L + 1);
        REQUIRE(jsg_expected_milli(base, base_rate, rate | 1) >= found);
    }
}

TEST_CASE(
    "beyond twice the expected number the rest is excess, and the baseline's cells share 2e/n",
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
        {"a thousandth of a socket over twice", 10'001, 5'000, 1, (10'000 * JSG_ONE_Q32) / 10'001},
        {"four times", 20'000, 5'000, 10'000, JSG_ONE_Q32 / 2},
        {"eight times", 40'000, 5'000, 30'000, JSG_ONE_Q32 / 4},
        {"none expected", 1'000, 0, 1'000, 0},
        {"the largest number, none expected", u32_most, 0, u32_most, 0},
        {"the largest number, and half of it expected", u32_most, 1U << 31, 0, JSG_ONE_Q32},
        {"the largest number, and a little less than half expected", u32_most, (1U << 31) - 1, 1,
         (0xfffffffeULL << 32) / u32_most},
        {"the largest of both", u32_most, u32_most, 0, JSG_ONE_Q32},
    }));
    CAPTURE(row.name);
    const jsg_expectation e = jsg_expect(row.open, row.expected, 0, 0);
    CHECK(e.open == row.open);
    CHECK(e.expected == row.expected);
    CHECK((e.stalled == 0 && e.stalled_excess == 0));
    CHECK(e.excess == row.excess);
    CHECK(e.share_q32 == row.share_q32);
}

TEST_CASE("of what is held, what is beyond twice the expected is excess, however much is open",
          "[decision]") {
    struct Row {
        const char* name;
        std::uint32_t held, stalled_expected, stalled_excess;
    };
    const Row row = GENERATE(values<Row>({
        {"nothing held", 0, 5'000, 0},
        {"exactly twice", 10'000, 5'000, 0},
        {"a thousandth of a socket over twice", 10'001, 5'000, 1},
        {"none expected", 1'000, 0, 1'000},
        {"the largest number, and half of it expected", u32_most, 1U << 31, 0},
        {"the largest number, and a little less than half expected", u32_most, (1U << 31) - 1, 1},
        {"the largest number, none expected", u32_most, 0, u32_most},
    }));
    CAPTURE(row.name);
    for (const std::uint32_t open : {row.held, u32_most}) {
        const jsg_expectation e = jsg_expect(open, open, row.held, row.stalled_expected);
        CHECK(e.stalled == row.held);
        CHECK(e.stalled_excess == row.stalled_excess);
        CHECK(e.excess == 0);
    }
}

TEST_CASE("share and excess say the same of a number", "[decision]") {
    std::mt19937_64 random(2);
    const auto number = [&] {
        return static_cast<std::uint32_t>(random() >> (32 + random() % 32));
    };
    for (int i = 0; i < 100'000; ++i) {
        const auto open = number(), expected = number(), held = number(),
                   stalled_expected = number();
        const jsg_expectation e = jsg_expect(open, expected, held, stalled_expected);
        CAPTURE(open, expected, held, stalled_expected);
        REQUIRE(e.share_q32 <= JSG_ONE_Q32);
        REQUIRE((e.excess == 0) == (e.share_q32 == JSG_ONE_Q32));
        if (e.excess) {
            REQUIRE(e.excess + 2 * std::uint64_t{expected} == open);
            REQUIRE(e.share_q32 ==
                    static_cast<std::uint64_t>((Wide{open - e.excess} << 32) / open));
        }
        REQUIRE(std::int64_t{e.stalled_excess} ==
                std::max<std::int64_t>(0, std::int64_t{held} - 2 * std::int64_t{stalled_expected}));
    }
}

TEST_CASE("an excess is evidence if more is open, and more is held, than usual", "[decision]") {
    struct Row {
        const char* name;
        std::uint32_t excess, stalled_excess;
        bool exceeds;
    };
    const Row row = GENERATE(values<Row>({
        {"no excess", 0, 0, false},
        {"both just enough", 20'000, 20'000, true},
        {"open a thousandth of a socket too few", 19'999, 20'000, false},
        {"held a thousandth of a socket too few", 20'000, 19'999, false},
        {"all of it moves", u32_most, 0, false},
        {"held alone", 0, u32_most, false},
        {"everything at its largest", u32_most, u32_most, true},
    }));
    CAPTURE(row.name);
    jsg_config config = test_config();
    jsg_expectation sockets{};
    sockets.excess = row.excess;
    sockets.stalled_excess = row.stalled_excess;
    CHECK(jsg_exceeds(&config, &sockets) == row.exceeds);
    // More than 32 bits of thousandths hold are never reached.
    config.min_sockets = u32_most;
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
        {"one over min_sockets against none", 21, 0, false},
        {"half as many again and min_sockets", 170, 100, true},
        {"one over that", 171, 100, false},
        {"just balanced, where the products need 33 bits", u32_most, 2'863'311'517, true},
        {"just not, at 32 bits", u32_most, 2'863'311'516, false},
        {"the largest of both", u32_most, u32_most, true},
        {"the largest against none", u32_most, 0, false},
    }));
    CAPTURE(row.name);
    const jsg_config config = test_config();
    CHECK(jsg_balanced(&config, row.more, row.less) == row.balanced);
    CHECK(jsg_balanced(&config, row.less, row.more) == row.balanced);
}

TEST_CASE("verdicts on transitions at, under and over each bound", "[decision]") {
    struct Row {
        const char* name;
        std::uint32_t transitions, js, chance;
        jsg_verdict balanced, unbalanced;
    };
    const Row row = GENERATE(values<Row>({
        {"an empty window", 0, 0, 0, JSG_NOTHING_SEEN, JSG_NOTHING_SEEN},
        {"an empty window has no divergence, whatever is said", 0, JSG_NANO, 0, JSG_NOTHING_SEEN,
         JSG_NOTHING_SEEN},
        {"one transition", 1, JSG_NANO, 0, JSG_NOT_ENOUGH_TRAFFIC, JSG_NOT_ENOUGH_TRAFFIC},
        {"one too few", 99, JSG_NANO, 0, JSG_NOT_ENOUGH_TRAFFIC, JSG_NOT_ENOUGH_TRAFFIC},
        {"one too few, equal", 99, 0, 0, JSG_NOT_ENOUGH_TRAFFIC, JSG_NOT_ENOUGH_TRAFFIC},
        {"just enough, under the threshold", 100, threshold - 1, 0, JSG_NORMAL, JSG_NORMAL},
        {"at the threshold", 100, threshold, 0, JSG_NORMAL, JSG_NORMAL},
        {"over the threshold", 100, threshold + 1, 0, JSG_ABOVE, JSG_UNBALANCED},
        {"at the threshold, under chance", 100, threshold, beyond, JSG_NORMAL, JSG_NORMAL},
        {"over the threshold, under chance", 100, threshold + 1, beyond, JSG_NOT_ENOUGH_TRAFFIC,
         JSG_NOT_ENOUGH_TRAFFIC},
        {"over the threshold, at chance", 100, beyond, beyond, JSG_NOT_ENOUGH_TRAFFIC,
         JSG_NOT_ENOUGH_TRAFFIC},
        {"over both, chance the larger", 100, beyond + 1, beyond, JSG_ABOVE, JSG_UNBALANCED},
        {"over both, which are the same", 100, threshold + 1, threshold, JSG_ABOVE, JSG_UNBALANCED},
        {"over the threshold, at chance just over it", 100, threshold + 1, threshold + 1,
         JSG_NOT_ENOUGH_TRAFFIC, JSG_NOT_ENOUGH_TRAFFIC},
        {"disjoint, and chance explains even that", 100, JSG_NANO, u32_most, JSG_NOT_ENOUGH_TRAFFIC,
         JSG_NOT_ENOUGH_TRAFFIC},
        {"many, equal", u32_most, 0, 0, JSG_NORMAL, JSG_NORMAL},
        {"many, disjoint", u32_most, JSG_NANO, 0, JSG_ABOVE, JSG_UNBALANCED},
    }));
    CAPTURE(row.name);
    const jsg_config config = test_config();
    const jsg_bounds bounds = {row.js, threshold, row.chance};
    CHECK(jsg_judge_transitions(&config, row.transitions, 1, bounds) == row.balanced);
    CHECK(jsg_judge_transitions(&config, row.transitions, 0, bounds) == row.unbalanced);
}

TEST_CASE("a single transition is judged where the user asks for no more", "[decision]") {
    jsg_config config = test_config();
    config.min_transitions = 0;
    CHECK(jsg_judge_transitions(&config, 0, 1, {JSG_NANO, threshold, 0}) == JSG_NOTHING_SEEN);
    CHECK(jsg_judge_transitions(&config, 1, 1, {JSG_NANO, threshold, 0}) == JSG_ABOVE);
}

TEST_CASE("verdicts on occupancy at, under and over each bound", "[decision]") {
    struct Row {
        const char* name;
        std::uint32_t open, excess, stalled_excess, js, chance;
        jsg_verdict verdict;
    };
    const Row row = GENERATE(values<Row>({
        {"nothing open", 0, 0, 0, 0, 0, JSG_NOTHING_SEEN},
        {"nothing open has no divergence, whatever is said", 0, 0, 0, JSG_NANO, 0,
         JSG_NOTHING_SEEN},
        {"few, under the threshold", 100, 100, 100, threshold - 1, 0, JSG_NORMAL},
        {"few, under the threshold and chance", 100, 100, 100, threshold - 1, beyond, JSG_NORMAL},
        {"few, at the threshold, under chance", 100, 100, 100, threshold, beyond, JSG_NORMAL},
        {"few, over the threshold, under chance", 100, 100, 100, threshold + 1, beyond,
         JSG_NOT_ENOUGH_TRAFFIC},
        {"few, at chance", 100, 100, 100, beyond, beyond, JSG_NOT_ENOUGH_TRAFFIC},
        {"few, over chance", 100, 100, 100, beyond + 1, beyond, JSG_NO_EXCESS},
        {"few, and chance explains anything", 100, 100, 100, JSG_NANO, u32_most,
         JSG_NOT_ENOUGH_TRAFFIC},
        {"no excess, over the threshold", 90'000, 0, 0, threshold + 1, 0, JSG_NO_EXCESS},
        {"excess a thousandth too small, over", 90'000, 19'999, 20'000, threshold + 1, 0,
         JSG_NO_EXCESS},
        {"excess a thousandth too small, at the threshold", 90'000, 19'999, 20'000, threshold, 0,
         JSG_NORMAL},
        {"both just enough, over", 20'000, 20'000, 20'000, threshold + 1, 0, JSG_ABOVE},
        {"both just enough, at the threshold", 90'000, 20'000, 20'000, threshold, 0,
         JSG_EXCESS_ONLY},
        {"both just enough, equal", 90'000, 20'000, 20'000, 0, 0, JSG_EXCESS_ONLY},
        {"both just enough, under chance", 90'000, 20'000, 20'000, threshold + 1, beyond,
         JSG_EXCESS_ONLY},
        {"both just enough, at chance", 90'000, 20'000, 20'000, beyond, beyond, JSG_EXCESS_ONLY},
        {"both just enough, over chance", 90'000, 20'000, 20'000, beyond + 1, beyond, JSG_ABOVE},
        {"over chance, at the threshold", 90'000, 20'000, 20'000, threshold, threshold - 1,
         JSG_EXCESS_ONLY},
        {"held a thousandth too few, equal", 90'000, 20'000, 19'999, 0, 0, JSG_MOVING},
        {"held a thousandth too few, disjoint", 90'000, 20'000, 19'999, JSG_NANO, 0, JSG_MOVING},
        {"held a thousandth too few, under chance", 90'000, 20'000, 19'999, beyond, beyond,
         JSG_MOVING},
        {"all of the excess moves", u32_most, u32_most, 0, JSG_NANO, 0, JSG_MOVING},
        {"everything at its largest", u32_most, u32_most, u32_most, JSG_NANO, JSG_NANO - 1,
         JSG_ABOVE},
    }));
    CAPTURE(row.name);
    const jsg_config config = test_config();
    jsg_expectation sockets{};
    sockets.open = row.open;
    sockets.excess = row.excess;
    sockets.stalled_excess = row.stalled_excess;
    CHECK(jsg_judge_occupancy(&config, &sockets, {row.js, threshold, row.chance}) == row.verdict);
}

TEST_CASE("a threshold is the one that is given with the divergence", "[decision]") {
    jsg_config config = test_config();
    config.transition_threshold_nanobits = JSG_NANO;  // what was asked for may be "from the spread"
    config.occupancy_threshold_nanobits = JSG_NANO;
    const jsg_expectation sockets = jsg_expect(90'000, 5'000, 90'000, 5'000);
    CHECK(jsg_judge_transitions(&config, 1000, 1, {beyond, beyond - 1, 0}) == JSG_ABOVE);
    CHECK(jsg_judge_transitions(&config, 1000, 1, {beyond, beyond, 0}) == JSG_NORMAL);
    CHECK(jsg_judge_occupancy(&config, &sockets, {beyond, beyond - 1, 0}) == JSG_ABOVE);
    CHECK(jsg_judge_occupancy(&config, &sockets, {beyond, beyond, 0}) == JSG_EXCESS_ONLY);
}

TEST_CASE("evidence of more sockets than 32 bits of thousandths hold is never reached",
          "[decision]") {
    jsg_config config = test_config();
    config.min_sockets = u32_most;
    const jsg_expectation sockets = jsg_expect(u32_most, 0, u32_most, 0);
    CHECK(jsg_judge_occupancy(&config, &sockets, {JSG_NANO, threshold, 0}) == JSG_NO_EXCESS);
}
