// SPDX-License-Identifier: BSD-2-Clause
// Tests of the entropy of a histogram: edges, properties, agreement with long double.
#include "kernel/entropy.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tests/catch_compat.hpp"
#include "tests/histograms.hpp"

namespace {

using Counts = std::vector<std::uint32_t>;

constexpr std::uint32_t largest_count = 0xffffffff;

// docs/accuracy.md derives this from the bound of the logarithm.
static_assert(JSG_LOG2_ERROR + JSG_LOG2_EXCESS +
                  JSG_CELLS_MAX * (JSG_TOTAL_BITS + 1) / 1.0 / JSG_ONE_Q48 + 0.5e-9 +
                  1.0 / (1ULL << JSG_NANO_CUT_BITS) <=
              JSG_ENTROPY_ERROR);

std::uint64_t entropy_nanobits(const Counts& counts) {
    return measure({{}, counts, counts}).entropy_nanobits;
}

long double error(const Counts& counts) {
    const Histograms pair{Shape::equal, counts, counts};
    return errors(pair, measure(pair)).entropy;
}

}  // namespace

TEST_CASE("entropy of one cell is zero", "[entropy]") {
    for (const std::uint32_t count : {1U, 2U, 3U, 1000U, largest_count}) {
        CAPTURE(count);
        CHECK(entropy_nanobits({count}) == 0);
        CHECK(entropy_nanobits({0, count, 0}) == 0);
    }
}

TEST_CASE("entropy of a power of two of equal cells is exactly its exponent", "[entropy]") {
    for (unsigned exponent = 0; exponent <= 8; exponent++) {
        for (const std::uint32_t count : {1U, 3U, 12'345U, 1U << 24, largest_count >> 8}) {
            CAPTURE(exponent, count);
            CHECK(entropy_nanobits(Counts(1 << exponent, count)) ==
                  std::uint64_t{exponent} * JSG_NANO);
        }
    }
}

TEST_CASE("entropy is within its bound at the edges of its domain", "[entropy]") {
    struct Row {
        const char* name;
        Counts counts;
    };
    Counts lopsided(JSG_CELLS_MAX, 1);
    lopsided[9] = largest_count;
    Counts exactly_2_32 = lopsided;
    exactly_2_32[9] = largest_count - 254;
    const Row row = GENERATE_COPY(values<Row>({
        {"three equal cells", {1, 1, 1}},
        {"1 beside 2^32-1", {1, largest_count}},
        {"two neighbours of 2^31", {(1U << 31) - 1, (1U << 31) + 1}},
        {"255 cells of 1 beside one of 2^32-1", lopsided},
        {"255 cells of 1 in a total of exactly 2^32", exactly_2_32},
        {"256 of the largest counts", Counts(JSG_CELLS_MAX, largest_count)},
        {"255 of the largest counts", Counts(JSG_CELLS_MAX - 1, largest_count)},
    }));
    CAPTURE(row.name);
    CHECK(error(row.counts) <= JSG_ENTROPY_ERROR);
}

TEST_CASE("a part of the entropy is never negative for a count just below the total", "[entropy]") {
    for (const std::uint64_t total :
         {2ULL, 3ULL, 4097ULL, 1ULL << 20, (1ULL << 31) + 1, 1ULL << 32, 1ULL << 40}) {
        const std::uint64_t log_total = jsg_log2_q30(total);
        const std::uint64_t min_count = total > 1000 ? total - 1000 : 1;
        for (std::uint64_t count = std::min<std::uint64_t>(total, largest_count);
             count >= min_count; count--) {
            CAPTURE(count, total);
            REQUIRE(jsg_entropy_part_q54(jsg_probability_q48(count, total), count, log_total) >= 0);
        }
    }
}

TEST_CASE("entropy does not depend on the order of cells nor on empty ones", "[entropy]") {
    HistogramMaker maker(1);
    for (int i = 0; i < 200; i++) {
        Counts counts = maker.make(Shape::sparse, maker.cells()).p;
        const std::uint64_t entropy = entropy_nanobits(counts);
        CAPTURE(counts);
        std::sort(counts.begin(), counts.end());
        REQUIRE(entropy_nanobits(counts) == entropy);
        std::erase(counts, 0U);
        REQUIRE(entropy_nanobits(counts) == entropy);
    }
}

TEST_CASE("entropy agrees with long double on random histograms", "[entropy]") {
    constexpr std::uint64_t seed = 2;
    HistogramMaker maker(seed);
    for (int i = 0; i < 10'000; i++) {
        const Counts counts = maker.make(i % 2 ? Shape::full : Shape::random, maker.cells()).p;
        if (error(counts) > JSG_ENTROPY_ERROR) {
            CAPTURE(seed, counts);
            FAIL("out of bounds");
        }
    }
}
