// SPDX-License-Identifier: BSD-2-Clause
// Tests of jsg_log2_q30 against the logarithm: every interval of the table, its edges, and numbers
// of all sizes.
#include "kernel/log2.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "tests/catch_compat.hpp"

namespace {

constexpr std::uint64_t intervals = 1 << JSG_LOG2_INDEX_BITS;
constexpr std::uint64_t offsets = std::uint64_t{1} << JSG_LOG2_OFFSET_BITS;
constexpr std::uint64_t mantissa_one = std::uint64_t{1} << JSG_LOG2_MANTISSA_BITS;
constexpr unsigned cut_bits = 63 - JSG_LOG2_MANTISSA_BITS;  // of a number with all 64 bits
constexpr std::uint64_t largest = ~std::uint64_t{0};

/// The result minus the logarithm, in bits.
long double error(std::uint64_t x) {
    return static_cast<long double>(jsg_log2_q30(x)) / JSG_ONE_Q30 -
           std::log2(static_cast<long double>(x));
}

bool in_bounds(long double error) { return error >= -JSG_LOG2_ERROR && error <= JSG_LOG2_EXCESS; }

/// The offset in an interval where the chord is farthest from the logarithm. There the slopes are
/// equal.
std::uint64_t worst_offset(std::uint64_t interval) {
    const long double left = 1 + static_cast<long double>(interval) / intervals;
    const long double right = left + 1.0L / intervals;
    const long double slope = (std::log2(right) - std::log2(left)) * intervals;
    return static_cast<std::uint64_t>((1 / (slope * std::log(2.0L)) - left) * intervals * offsets);
}

/// Both ends of the interval, the worst offset and its neighbours, and some other offsets.
std::vector<std::uint64_t> offsets_to_try(std::uint64_t interval) {
    const std::uint64_t worst = worst_offset(interval);
    return {0,         1,         offsets / 4,     offsets / 2, worst - 1,  worst,
            worst + 1, worst + 2, offsets / 4 * 3, offsets - 2, offsets - 1};
}

}  // namespace

TEST_CASE("the highest bit is found at every position", "[log2]") {
    for (unsigned position = 0; position < 64; position++) {
        const std::uint64_t power = std::uint64_t{1} << position;
        CAPTURE(position);
        CHECK(jsg_highest_bit(power) == position);
        CHECK(jsg_highest_bit(power | (power - 1)) == position);
    }
}

TEST_CASE("the logarithms of powers of two are exact", "[log2]") {
    for (unsigned exponent = 0; exponent < 64; exponent++) {
        CAPTURE(exponent);
        CHECK(jsg_log2_q30(std::uint64_t{1} << exponent) == exponent * JSG_ONE_Q30);
    }
}

TEST_CASE("the logarithm is within its bound at the edges of its domain", "[log2]") {
    struct Row {
        const char* name;
        std::uint64_t x;
    };
    const Row row = GENERATE(values<Row>({
        {"three", 3},
        {"the first number between two entries of the table",
         (std::uint64_t{1} << (JSG_LOG2_INDEX_BITS + 1)) + 1},
        {"largest count", 0xffffffff},
        {"just above the largest count", 0x100000001},
        {"the last number that is not cut", mantissa_one * 2 - 1},
        {"just below a probability of 1", JSG_ONE_Q48 - 1},
        {"just below two probabilities of 1", 2 * JSG_ONE_Q48 - 1},
        {"just above 2^63", (std::uint64_t{1} << 63) + 1},
        {"just below 2^63", (std::uint64_t{1} << 63) - 1},
        {"2^64 - 2^32", largest << 32},
        {"largest number", largest},
    }));
    CAPTURE(row.name, row.x);
    CHECK(in_bounds(error(row.x)));
    CHECK(jsg_log2_q30(row.x) <= 64 * JSG_ONE_Q30);
}

TEST_CASE("the logarithm is within its bound over every interval of the table", "[log2]") {
    long double min_error = 0, max_error = 0;
    for (std::uint64_t interval = 0; interval < intervals; interval++) {
        for (const std::uint64_t offset : offsets_to_try(interval)) {
            const std::uint64_t x = mantissa_one | (interval << JSG_LOG2_OFFSET_BITS) | offset;
            // The number itself, and the largest that has the same mantissa once it is cut.
            for (const std::uint64_t each :
                 {x, (x << cut_bits) + ((std::uint64_t{1} << cut_bits) - 1)}) {
                const long double found = error(each);
                min_error = std::min(min_error, found);
                max_error = std::max(max_error, found);
                if (!in_bounds(found)) {
                    CAPTURE(interval, offset, each, found);
                    FAIL("out of bounds");
                }
            }
        }
    }
    CAPTURE(min_error, max_error);
    // The errors nearly reach the bounds. So the offsets are the right ones, and the bounds are
    // tight.
    CHECK(min_error < -0.98 * JSG_LOG2_ERROR);
    CHECK(max_error > 0.9 * JSG_LOG2_EXCESS);
}

TEST_CASE("the logarithm at a boundary of intervals is the table's entry", "[log2]") {
    for (std::uint64_t interval = 0; interval < intervals; interval++) {
        const std::uint64_t x = mantissa_one | (interval << JSG_LOG2_OFFSET_BITS);
        CAPTURE(interval);
        REQUIRE(jsg_log2_q30(x) == JSG_LOG2_MANTISSA_BITS * JSG_ONE_Q30 + jsg_log2_table[interval]);
    }
}

TEST_CASE("the logarithm never falls", "[log2]") {
    SECTION("within the intervals and from each to the next") {
        for (std::uint64_t interval = 0; interval < intervals; interval++) {
            for (const std::uint64_t offset : offsets_to_try(interval)) {
                const std::uint64_t x = mantissa_one | (interval << JSG_LOG2_OFFSET_BITS) | offset;
                CAPTURE(x);
                REQUIRE(jsg_log2_q30(x) <= jsg_log2_q30(x + 1));
            }
        }
    }
    SECTION("from each power of two to its neighbours") {
        for (unsigned exponent = 1; exponent < 64; exponent++) {
            const std::uint64_t x = std::uint64_t{1} << exponent;
            CAPTURE(x);
            CHECK(jsg_log2_q30(x - 1) <= jsg_log2_q30(x));
            CHECK(jsg_log2_q30(x) <= jsg_log2_q30(x + 1));
        }
    }
    SECTION("from any number to a larger one") {
        std::mt19937_64 random(1);
        for (int i = 0; i < 100'000; i++) {
            const std::uint64_t x = random() >> (random() % 64) >> 1,
                                step = random() >> (random() % 64) >> 1;
            if (x == 0) continue;
            if (jsg_log2_q30(x) > jsg_log2_q30(x + step)) {
                CAPTURE(x, step);
                FAIL("it fell");
            }
        }
    }
}

TEST_CASE("doubling a number adds one to its logarithm", "[log2]") {
    std::mt19937_64 random(2);
    for (int i = 0; i < 10'000; i++) {
        const std::uint64_t x = (random() >> (random() % 62) >> 1) | 1;
        CAPTURE(x);
        REQUIRE(jsg_log2_q30(2 * x) == jsg_log2_q30(x) + JSG_ONE_Q30);
    }
}

TEST_CASE("the logarithm agrees with long double on random numbers of every size", "[log2]") {
    constexpr std::uint64_t seed = 3;
    std::mt19937_64 random(seed);
    for (unsigned size = 1; size <= 64; size++) {
        for (int i = 0; i < 10'000; i++) {
            const std::uint64_t x = (std::uint64_t{1} << (size - 1)) | (random() >> (64 - size));
            if (!in_bounds(error(x))) {
                CAPTURE(seed, size, x, error(x));
                FAIL("out of bounds");
            }
        }
    }
}
