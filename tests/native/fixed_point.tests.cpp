// SPDX-License-Identifier: BSD-2-Clause
// Tests of probabilities, products, shares and billionths against exact 128-bit arithmetic.
#include "kernel/fixed_point.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>

#include "tests/catch_compat.hpp"

namespace {

using Wide = unsigned __int128;

constexpr std::uint64_t largest_count = std::uint64_t{1} << JSG_COUNT_BITS;
constexpr std::uint64_t largest_total = std::uint64_t{1} << JSG_TOTAL_BITS;
constexpr std::uint64_t largest_bits_q30 = (std::uint64_t{1} << (JSG_LOG2_BITS + 6)) - 1;

std::uint64_t exact_probability(std::uint64_t count, std::uint64_t total) {
    return static_cast<std::uint64_t>((Wide{count} << JSG_PROBABILITY_BITS) / total);
}

std::uint64_t exact_product(std::uint64_t a, std::uint64_t b, unsigned shift) {
    return static_cast<std::uint64_t>((Wide{a} * b) >> shift);
}

/// A random number of any size up to `bits` bits.
std::uint64_t random_up_to(std::mt19937_64& random, unsigned bits) {
    return (random() >> (64 - bits)) >> (random() % bits);
}

}  // namespace

TEST_CASE("a probability is the exact ratio rounded down", "[fixed_point]") {
    SECTION("edges") {
        struct Row {
            const char* name;
            std::uint64_t count, total, probability_q48;
        };
        const Row row = GENERATE(values<Row>({
            {"nothing", 0, 1, 0},
            {"nothing of the largest total", 0, largest_total, 0},
            {"all of one", 1, 1, JSG_ONE_Q48},
            {"all of the largest count", largest_count, largest_count, JSG_ONE_Q48},
            {"half", 1, 2, JSG_ONE_Q48 / 2},
            {"a third", 1, 3, JSG_ONE_Q48 / 3},
            {"one in 2^32", 1, largest_count, JSG_ONE_Q48 >> JSG_COUNT_BITS},
            {"one in 2^40", 1, largest_total, JSG_ONE_Q48 >> JSG_TOTAL_BITS},
            {"all but one of 2^32", largest_count - 1, largest_count, JSG_ONE_Q48 - (1 << 16)},
            {"largest count of the largest total", largest_count, largest_total, JSG_ONE_Q48 >> 8},
            {"one in 2^32-1", 1, largest_count - 1, 1 << 16},
        }));
        CAPTURE(row.name, row.count, row.total);
        CHECK(jsg_probability_q48(row.count, row.total) == row.probability_q48);
        CHECK(exact_probability(row.count, row.total) == row.probability_q48);
    }
    SECTION("random counts and totals of every size") {
        std::mt19937_64 random(1);
        for (int i = 0; i < 200'000; i++) {
            const std::uint64_t total = random_up_to(random, JSG_TOTAL_BITS) + 1;
            const std::uint64_t count = random() % (std::min(total, largest_count) + 1);
            if (jsg_probability_q48(count, total) != exact_probability(count, total)) {
                CAPTURE(count, total);
                FAIL("not the exact ratio rounded down");
            }
        }
    }
}

TEST_CASE("equal ratios have equal probabilities", "[fixed_point]") {
    std::mt19937_64 random(2);
    for (int i = 0; i < 10'000; i++) {
        const std::uint64_t total = random_up_to(random, 20) + 1, count = random() % (total + 1);
        const std::uint64_t times = 1 + random() % (1 << 12);
        CAPTURE(count, total, times);
        REQUIRE(jsg_probability_q48(count * times, total * times) ==
                jsg_probability_q48(count, total));
    }
}

TEST_CASE("a product is exact and then rounded down", "[fixed_point]") {
    SECTION("edges") {
        CHECK(jsg_product_q54(0, largest_bits_q30) == 0);
        CHECK(jsg_product_q54(JSG_ONE_Q48, 0) == 0);
        CHECK(jsg_product_q54(JSG_ONE_Q48, JSG_ONE_Q30) == JSG_ONE_Q54);
        CHECK(jsg_product_q54(JSG_ONE_Q48, largest_bits_q30) == largest_bits_q30 << JSG_SPLIT_BITS);
        CHECK(jsg_product_q54(1, 1) == 0);
    }
    SECTION("random factors of every size") {
        std::mt19937_64 random(3);
        for (int i = 0; i < 200'000; i++) {
            const std::uint64_t p = random_up_to(random, JSG_PROBABILITY_BITS);
            const std::uint64_t bits = random_up_to(random, JSG_LOG2_BITS + 6);
            if (jsg_product_q54(p, bits) != exact_product(p, bits, JSG_SPLIT_BITS)) {
                CAPTURE(p, bits);
                FAIL("not the exact product rounded down");
            }
        }
    }
}

TEST_CASE("a probability times one bit is the probability", "[fixed_point]") {
    std::mt19937_64 random(4);
    for (int i = 0; i < 1'000; i++) {
        const std::uint64_t p = random_up_to(random, JSG_PROBABILITY_BITS);
        CAPTURE(p);
        REQUIRE(jsg_product_q54(p, JSG_ONE_Q30) == p << (JSG_SUM_BITS - JSG_PROBABILITY_BITS));
    }
}

TEST_CASE("a probability scaled by a share is exact and then rounded down", "[fixed_point]") {
    SECTION("edges") {
        CHECK(jsg_scale_q48(JSG_ONE_Q48, JSG_ONE_Q32) == JSG_ONE_Q48);
        CHECK(jsg_scale_q48(JSG_ONE_Q48 - 1, JSG_ONE_Q32) == JSG_ONE_Q48 - 1);
        CHECK(jsg_scale_q48(JSG_ONE_Q48, 0) == 0);
        CHECK(jsg_scale_q48(JSG_ONE_Q48, 1) == JSG_ONE_Q48 >> JSG_SHARE_BITS);
        CHECK(jsg_scale_q48(0, JSG_ONE_Q32) == 0);
    }
    SECTION("random factors of every size") {
        std::mt19937_64 random(5);
        for (int i = 0; i < 200'000; i++) {
            const std::uint64_t p = random_up_to(random, JSG_PROBABILITY_BITS);
            const std::uint64_t share = random_up_to(random, JSG_SHARE_BITS);
            if (jsg_scale_q48(p, share) != exact_product(p, share, JSG_SHARE_BITS)) {
                CAPTURE(p, share);
                FAIL("not the exact product rounded down");
            }
        }
    }
}

TEST_CASE("billionths are rounded to the nearest", "[fixed_point]") {
    SECTION("edges") {
        struct Row {
            const char* name;
            std::int64_t sum;
            unsigned fraction_bits;
            std::uint64_t nano;
        };
        const Row row = GENERATE(values<Row>({
            {"nothing", 0, JSG_SUM_BITS, 0},
            {"a little below 0", -1, JSG_SUM_BITS, 0},
            {"far below 0", std::numeric_limits<std::int64_t>::min(), JSG_SUM_BITS, 0},
            {"the smallest fraction", 1, JSG_SUM_BITS, 0},
            {"one", JSG_ONE_Q54, JSG_SUM_BITS, JSG_NANO},
            {"two", 2 * JSG_ONE_Q54, JSG_SUM_BITS, 2ULL * JSG_NANO},
            {"a half", JSG_ONE_Q54, JSG_SUM_BITS + 1, JSG_NANO / 2},
            {"a third", JSG_ONE_Q54 / 3, JSG_SUM_BITS, 333'333'333},
            {"two thirds", JSG_ONE_Q54 / 3 * 2, JSG_SUM_BITS, 666'666'667},
            {"a whole less 512 roundings of Q48", 2 * JSG_ONE_Q54 - (512 << 6), JSG_SUM_BITS + 1,
             JSG_NANO},
            {"a whole less one billionth", JSG_ONE_Q54 - JSG_ONE_Q54 / JSG_NANO, JSG_SUM_BITS,
             JSG_NANO - 1},
            {"the smallest number of fraction bits", std::int64_t{3} << (JSG_NANO_CUT_BITS - 1),
             JSG_NANO_CUT_BITS, 1'500'000'000},
            {"the largest sum", std::numeric_limits<std::int64_t>::max(), 62, 2ULL * JSG_NANO},
            {"256 bits", 256LL << JSG_SUM_BITS, JSG_SUM_BITS, 256ULL * JSG_NANO},
        }));
        CAPTURE(row.name, row.sum, row.fraction_bits);
        CHECK(jsg_nano(row.sum, row.fraction_bits) == row.nano);
    }
    SECTION("random sums, with an error below 0.56 billionths") {
        std::mt19937_64 random(6);
        for (int i = 0; i < 100'000; i++) {
            const auto sum = static_cast<std::int64_t>(random_up_to(random, 63));
            const unsigned fraction_bits = JSG_NANO_CUT_BITS + random() % (63 - JSG_NANO_CUT_BITS);
            const long double exact =
                std::ldexp(static_cast<long double>(sum), -int(fraction_bits)) * JSG_NANO;
            const std::uint64_t found = jsg_nano(sum, fraction_bits);
            if (!(std::abs(found - exact) < 0.56L)) {
                CAPTURE(sum, fraction_bits, found, exact);
                FAIL("not the nearest");
            }
        }
    }
}

TEST_CASE("a probability is shown in billionths", "[fixed_point]") {
    CHECK(jsg_probability_nano(0) == 0);
    CHECK(jsg_probability_nano(JSG_ONE_Q48) == JSG_NANO);
    CHECK(jsg_probability_nano(jsg_probability_q48(1, 3)) == 333'333'333);
    CHECK(jsg_probability_nano(jsg_probability_q48(1, 1 << 30)) == 1);
}
