// SPDX-License-Identifier: BSD-2-Clause
// Tests of the Jensen-Shannon and Kullback-Leibler divergences: edges, properties, agreement with
// long double.
#include "kernel/js_divergence.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/catch_compat.hpp"
#include "tests/histograms.hpp"

namespace {

using Counts = std::vector<std::uint32_t>;

constexpr std::uint32_t largest_count = 0xffffffff;

// docs/accuracy.md derives the bounds of the headers from the bound of the logarithm.
constexpr double demanded = 1e-7;
constexpr double nano_error = 0.5e-9 + 1.0 / (1ULL << JSG_NANO_CUT_BITS);
constexpr double probability_unit = 1.0 / JSG_ONE_Q48;
constexpr double one_difference = JSG_LOG2_ERROR + JSG_LOG2_EXCESS;
static_assert(JSG_JS_ERROR <= demanded);
static_assert(one_difference + 3 * JSG_CELLS_MAX * 25 * probability_unit + nano_error <=
              JSG_JS_ERROR);
constexpr double uncut_difference = one_difference - 1.4426 / (1ULL << JSG_LOG2_MANTISSA_BITS);
static_assert(2 * uncut_difference + JSG_CELLS_MAX * (JSG_KL_CAP_BITS + 1) * probability_unit +
                  nano_error <=
              JSG_KL_ERROR);

Counts all_of(std::uint32_t count, std::size_t cells = JSG_CELLS_MAX) {
    return Counts(cells, count);
}

Counts with(Counts counts, std::size_t cell, std::uint32_t count) {
    counts.at(cell) = count;
    return counts;
}

void check(const Histograms& pair) {
    const measures found = measure(pair);
    const Errors error = errors(pair, found);
    if (const char* promise = broken_promise(pair, found, error)) {
        CAPTURE(pair, found, error.js, error.kl, error.kl_of_share, error.entropy);
        FAIL("broken: " << promise);
    }
}

std::uint64_t js_nanobits(const Counts& p, const Counts& q) {
    return measure({{}, p, q}).js_nanobits;
}
std::uint64_t kl_nanobits(const Counts& p, const Counts& q) {
    return measure({{}, p, q}).kl_nanobits;
}

}  // namespace

TEST_CASE("divergences at the edges of their domain", "[js][kl]") {
    struct Row {
        const char* name;
        Shape shape;
        Counts p, q;
    };
    const std::uint32_t rest = largest_count - 254;  // with 255 cells of 1 the total is 2^32
    const Row row = GENERATE_COPY(values<Row>({
        {"one cell, both 1", Shape::equal, {1}, {1}},
        {"one cell, 1 and the largest count", Shape::proportional, {1}, {largest_count}},
        {"one count each, in different cells", Shape::disjoint, {1, 0}, {0, 1}},
        {"largest counts in different cells",
         Shape::disjoint,
         {largest_count, 0},
         {0, largest_count}},
        {"three cells against three others",
         Shape::disjoint,
         {1, 1, 1, 0, 0, 0},
         {0, 0, 0, 1, 1, 1}},
        {"128 cells against 128 others", Shape::disjoint,
         [] {
             Counts c(256);
             std::fill_n(c.begin(), 128, 3);
             return c;
         }(),
         [] {
             Counts c(256);
             std::fill_n(c.begin() + 128, 128, 7);
             return c;
         }()},
        {"cells that are empty in both", Shape::random, {0, 5, 0, 3}, {0, 4, 0, 6}},
        {"uniform against uniform", Shape::equal, all_of(9), all_of(9)},
        {"uniform against uniform of the largest counts", Shape::proportional, all_of(1),
         all_of(largest_count)},
        {"255 cells of 1 beside one of 2^32-1 against uniform", Shape::lopsided,
         with(all_of(1), 7, largest_count), all_of(1)},
        {"uniform against 255 cells of 1 beside one of 2^32-1", Shape::lopsided, all_of(1),
         with(all_of(1), 7, largest_count)},
        {"a total of exactly 2^32 against uniform", Shape::lopsided, with(all_of(1), 7, rest),
         all_of(1)},
        {"two totals of exactly 2^32, heavy in different cells", Shape::lopsided,
         with(all_of(1), 7, rest), with(all_of(1), 8, rest)},
        {"total of 2^32 against a uniform one of 2^32", Shape::lopsided, with(all_of(1), 7, rest),
         all_of(1 << 24)},
        {"largest counts one apart in one cell", Shape::one_apart, all_of(largest_count),
         with(all_of(largest_count), 100, largest_count - 1)},
        {"two cells of 2^31, one apart",
         Shape::one_apart,
         {1U << 31, 1U << 31},
         {1U << 31, (1U << 31) - 1}},
        {"a count of 1 that the other does not have",
         Shape::one_apart,
         {largest_count, 1},
         {largest_count, 0}},
        {"half in common", Shape::random, {1, 1, 0}, {0, 1, 1}},
    }));
    CAPTURE(row.name);
    check({row.shape, row.p, row.q});
    check({row.shape, row.q, row.p});
}

TEST_CASE("divergences that are known in closed form", "[js][kl]") {
    CHECK(js_nanobits({1, 1, 0}, {0, 1, 1}) == JSG_NANO / 2);
    CHECK(kl_nanobits({1, 0}, {1, 1}) == JSG_NANO);
    CHECK(kl_nanobits({1, 0}, {1, 3}) == 2 * JSG_NANO);
    CHECK(kl_nanobits({1, 0}, {1, largest_count}) == std::uint64_t{32} * JSG_NANO);
}

TEST_CASE("the cells that either histogram has counts in are counted", "[js]") {
    const auto cells = [](const Counts& p, const Counts& q) {
        return measure({{}, p, q}).sums.cells;
    };
    CHECK(cells({1}, {1}) == 1);
    CHECK(cells({0, 5, 0, 3, 0}, {0, 4, 6, 0, 0}) == 3);
    CHECK(cells({1, 0}, {0, 1}) == 2);
    CHECK(cells(all_of(1), all_of(1)) == JSG_CELLS_MAX);
    // The excess cell is not a cell of the counts.
    CHECK(measure({{}, {1, 0, 1}, {0, 0, 1}, JSG_ONE_Q32 / 2}).sums.cells == 2);
}

TEST_CASE("divergence of equal histograms is zero", "[js][kl]") {
    HistogramMaker maker(1);
    for (int i = 0; i < 200; i++) {
        Histograms pair = maker.make(Shape::equal, maker.cells());
        pair.share_q32 = JSG_ONE_Q32;
        CAPTURE(pair);
        REQUIRE(measure(pair).js_nanobits == 0);
        REQUIRE(measure(pair).kl_nanobits == 0);
    }
}

TEST_CASE("divergence of equal distributions with different totals is zero", "[js]") {
    HistogramMaker maker(2);
    for (int i = 0; i < 200; i++) {
        Histograms pair = maker.make(Shape::proportional, maker.cells());
        pair.share_q32 = JSG_ONE_Q32;
        CAPTURE(pair);
        REQUIRE(measure(pair).js_nanobits == 0);
        REQUIRE(measure(pair).sums.js_q55 == 0);
    }
}

TEST_CASE("divergence of disjoint histograms is exactly one", "[js]") {
    HistogramMaker maker(3);
    for (int i = 0; i < 200; i++) {
        const Histograms pair = maker.make(Shape::disjoint, maker.cells());
        CAPTURE(pair);
        REQUIRE(measure(pair).js_nanobits == JSG_NANO);
    }
}

TEST_CASE("a cell that is empty in the baseline adds the capped divergence", "[kl]") {
    CHECK(kl_nanobits({1, 0}, {0, 1}) == std::uint64_t{JSG_KL_CAP_BITS} * JSG_NANO);
    CHECK(kl_nanobits({1, 1, 0}, {1, 0, 0}) == std::uint64_t{JSG_KL_CAP_BITS - 1} * JSG_NANO / 2);
    CHECK(kl_nanobits({1, 0}, {1, 1}) != kl_nanobits({1, 1}, {1, 0}));
}

TEST_CASE("a sum below zero is a divergence of zero", "[js][kl]") {
    CHECK(jsg_js_nanobits(-1) == 0);
    CHECK(jsg_js_nanobits(-JSG_ONE_Q54) == 0);
    CHECK(jsg_kl_nanobits(-1) == 0);
}

TEST_CASE("a sum above the largest divergence is the largest divergence", "[js][kl]") {
    CHECK(jsg_js_nanobits(2 * JSG_ONE_Q54 + (JSG_ONE_Q54 >> 8)) == JSG_NANO);
    CHECK(jsg_kl_nanobits((JSG_KL_CAP_BITS + 1) * JSG_ONE_Q54) ==
          std::uint64_t{JSG_KL_CAP_BITS} * JSG_NANO);
}

TEST_CASE("a cell's part is exact where one probability is zero", "[js]") {
    for (const unsigned long long p : {1ULL, JSG_ONE_Q48 / 3, JSG_ONE_Q48}) {
        const auto exact = static_cast<std::int64_t>(p << (JSG_SUM_BITS - JSG_PROBABILITY_BITS));
        CAPTURE(p);
        CHECK(jsg_js_part_q55(p, 0) == exact);
        CHECK(jsg_js_part_q55(0, p) == exact);
    }
    CHECK(jsg_js_part_q55(0, 0) == 0);
}

TEST_CASE("divergence is the same, bit for bit, in both directions and in any order of cells",
          "[js]") {
    HistogramMaker maker(4);
    for (int i = 0; i < 500; i++) {
        Histograms pair = maker.make(maker.shape(), maker.cells());
        pair.share_q32 = JSG_ONE_Q32;
        const std::int64_t sum = measure(pair).sums.js_q55;
        std::swap(pair.p, pair.q);
        CAPTURE(pair);
        REQUIRE(measure(pair).sums.js_q55 == sum);
        std::rotate(pair.p.begin(), pair.p.begin() + pair.p.size() / 2, pair.p.end());
        std::rotate(pair.q.begin(), pair.q.begin() + pair.q.size() / 2, pair.q.end());
        REQUIRE(measure(pair).sums.js_q55 == sum);
    }
}

TEST_CASE("divergence of every pair of small histograms of two cells", "[js][kl]") {
    for (std::uint32_t a = 0; a <= 16; a++)
        for (std::uint32_t b = a == 0; b <= 16; b++)
            for (std::uint32_t c = 0; c <= 16; c++)
                for (std::uint32_t d = c == 0; d <= 16; d++) {
                    const Shape shape = a == c && b == d     ? Shape::equal
                                        : a * d == b * c     ? Shape::proportional
                                        : a * c + b * d == 0 ? Shape::disjoint
                                                             : Shape::random;
                    check({shape, {a, b}, {c, d}});
                }
}

TEST_CASE("divergence from a baseline is one if its cells have no share", "[js]") {
    Histograms pair{Shape::random, {1, 2, 3}, {3, 2, 1}, 0};
    CHECK(measure(pair).js_nanobits == JSG_NANO);
    check(pair);
}

TEST_CASE("divergence from a baseline that has a share in the excess cell", "[js][kl]") {
    const std::uint64_t share_q32 = GENERATE(as<std::uint64_t>{}, 1, 2, 3, 12345, JSG_ONE_Q32 / 3,
                                             JSG_ONE_Q32 / 2, JSG_ONE_Q32 - 1, JSG_ONE_Q32);
    HistogramMaker maker(5);
    for (int i = 0; i < 500; i++) {
        Histograms pair = maker.make(maker.shape(), 48);
        pair.share_q32 = share_q32;
        check(pair);
    }
}

TEST_CASE("the error of the divergence nearly reaches its bound for the worst known histograms",
          "[js]") {
    // The table is exact at all p and q. At their means the chord is farthest from the logarithm,
    // in the narrow intervals just above a power of two.
    constexpr std::uint32_t entry = (1 << JSG_LOG2_INDEX_BITS) + 7;
    constexpr std::uint32_t total = 1 << (JSG_LOG2_INDEX_BITS + 8);
    Histograms pair{Shape::random, {}, {}};
    for (unsigned i = 0; i < 8; i++) {
        pair.p.push_back(entry << (7 - i));
        pair.q.push_back((i % 2 ? entry - 1 : entry + 1) << (7 - i));
    }
    pair.p.push_back(total - reference::total(pair.p));
    pair.q.push_back(total - reference::total(pair.q));
    check(pair);
    const Errors error = errors(pair, measure(pair));
    CAPTURE(pair, error.js);
    CHECK(error.js > 0.9 * JSG_JS_ERROR);
}

TEST_CASE("divergences agree with long double on random histograms", "[js][kl][entropy]") {
    constexpr std::uint64_t seed = 6;
    INFO("seed " << seed);
    HistogramMaker maker(seed);
    for (int i = 0; i < 20'000; i++) check(maker.make(maker.shape(), maker.cells()));
}
