// SPDX-License-Identifier: BSD-2-Clause
// Tests of the spread of divergences while learning, its square root, and the threshold from it.
#include "kernel/spread.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <random>
#include <vector>

#include "tests/catch_compat.hpp"

namespace {

constexpr std::uint64_t max_windows = 1 << 24;
constexpr std::uint64_t micro = 1'000'000;  // of a bit
static_assert(std::numeric_limits<long double>::digits >= 64);

jsg_spread spread_of(const std::vector<std::uint32_t>& nanobits) {
    jsg_spread spread{};
    for (const std::uint32_t js : nanobits) jsg_spread_add(&spread, js);
    return spread;
}

// Compares the figures with those of the formulas. The variance is cut to whole millionths squared.
// The division before that rounds in the other direction, by less than 1/windows.
void check_against_reference(const std::vector<std::uint32_t>& nanobits) {
    const jsg_spread spread = spread_of(nanobits);
    const auto windows = static_cast<long double>(nanobits.size());
    long double mean = 0, variance = 0;
    for (const std::uint32_t js : nanobits) mean += js / 1000 / windows;
    for (const std::uint32_t js : nanobits) variance += std::pow(js / 1000 - mean, 2) / windows;
    const long double min_deviation = std::sqrt(std::max(0.0L, variance - 1));
    const long double max_deviation = std::sqrt(variance + 1 / windows);
    CAPTURE(nanobits.size(), mean, variance, spread.mean_nanobits, spread.deviation_nanobits);
    REQUIRE(spread.windows == nanobits.size());
    REQUIRE(spread.maximum_nanobits == *std::max_element(nanobits.begin(), nanobits.end()));
    REQUIRE(spread.mean_nanobits <= mean * 1000 + 1e-4L);
    REQUIRE(spread.mean_nanobits > mean * 1000 - 1 - 1e-4L);
    REQUIRE(spread.deviation_nanobits <= max_deviation * 1000 + 1e-2L);
    REQUIRE(spread.deviation_nanobits > min_deviation * 1000 - 1 - 1e-2L);
}

void check_root(std::uint64_t x, std::uint64_t root) {
    if (jsg_square_root(x) == root) return;
    CAPTURE(x, root, jsg_square_root(x));
    FAIL("not the square root, rounded down");
}

// Checks the square of root, the number before it, and the number before the next square.
void check_roots_around(std::uint64_t root) {
    check_root(root * root, root);
    check_root(root * root + 2 * root, root);
    if (root) check_root(root * root - 1, root - 1);
}

}  // namespace

TEST_CASE("the square root is right at squares and at their neighbours", "[spread]") {
    constexpr std::uint64_t roots = 1ULL << 32;
    for (std::uint64_t root = 0; root < 1 << 20; ++root) check_roots_around(root);
    for (std::uint64_t root = 1 << 20; root < roots; root += 4099) check_roots_around(root);
    for (std::uint64_t root = roots - 1000; root < roots; ++root) check_roots_around(root);
    for (unsigned bit = 0; bit < 32; ++bit) check_roots_around(1ULL << bit);
    check_root(~0ULL, roots - 1);
}

TEST_CASE("the square root of any number is the largest one whose square does not exceed it",
          "[spread]") {
    std::mt19937_64 random(1);
    for (int i = 0; i < 1'000'000; ++i) {
        const std::uint64_t x = random() >> random() % 64;
        const std::uint64_t root = jsg_square_root(x);
        const auto next = static_cast<unsigned __int128>(root + 1) * (root + 1);
        if (root * root <= x && next > x) continue;
        CAPTURE(x, root);
        FAIL("not the square root, rounded down");
    }
}

TEST_CASE("spreads that are known in closed form", "[spread]") {
    struct Row {
        const char* name;
        std::vector<std::uint32_t> nanobits;
        std::uint32_t mean, deviation, maximum;
    };
    const Row row = GENERATE(values<Row>({
        {"one window", {123'456'789}, 123'456'000, 0, 123'456'789},
        {"one window without divergence", {0}, 0, 0, 0},
        {"one window with nothing in common", {JSG_NANO}, JSG_NANO, 0, JSG_NANO},
        {"below a millionth of a bit", {999}, 0, 0, 999},
        {"all equal", {50'000'000, 50'000'000, 50'000'000}, 50'000'000, 0, 50'000'000},
        {"nothing and everything", {0, JSG_NANO}, JSG_NANO / 2, JSG_NANO / 2, JSG_NANO},
        {"a standard deviation of two",
         {2'000'000, 4'000'000, 4'000'000, 4'000'000, 5'000'000, 5'000'000, 7'000'000, 9'000'000},
         5'000'000,
         2'000'000,
         9'000'000},
        {"the largest comes first",
         {300'000'000, 100'000'000},
         200'000'000,
         100'000'000,
         300'000'000},
        {"a mean of thirds", {1'000'000, 1'000'000, 2'000'000}, 1'333'333, 471'404, 2'000'000},
    }));
    CAPTURE(row.name);
    const jsg_spread spread = spread_of(row.nanobits);
    CHECK(spread.windows == row.nanobits.size());
    CHECK(spread.mean_nanobits == row.mean);
    CHECK(spread.deviation_nanobits == row.deviation);
    CHECK(spread.maximum_nanobits == row.maximum);
}

TEST_CASE("mean, deviation and maximum agree with long double", "[spread]") {
    std::mt19937_64 random(2);
    for (int i = 0; i < 2000; ++i) {
        const std::uint32_t largest = 1 + random() % JSG_NANO;
        std::vector<std::uint32_t> nanobits(1 + random() % 300);
        const bool near_one = random() % 4 == 0;
        for (auto& js : nanobits) {
            js = static_cast<std::uint32_t>(random() % largest) >> random() % 8;
            if (near_one) js = JSG_NANO - js % 5000;
        }
        check_against_reference(nanobits);
    }
}

TEST_CASE("every short list of small divergences agrees with long double", "[spread]") {
    for (std::uint32_t a = 0; a < 12; ++a)
        for (std::uint32_t b = 0; b < 12; ++b)
            for (std::uint32_t c = 0; c < 12; ++c)
                for (std::uint32_t d = 0; d < 4; ++d) {
                    const std::vector<std::uint32_t> all = {a * 1000, b * 1000, c * 1000, d * 1000};
                    for (std::ptrdiff_t n = 1; n <= 4; ++n)
                        check_against_reference({all.begin(), all.begin() + n});
                }
}

TEST_CASE("the maximum number of windows does not overflow the sums, and no more are added",
          "[spread]") {
    jsg_spread spread{};
    spread.windows = max_windows - 1;
    spread.maximum_nanobits = JSG_NANO;

    SECTION("all of them at the largest divergence") {
        spread.sum_microbits = spread.windows * micro;
        spread.sum_of_squares = spread.windows * micro * micro;
        jsg_spread_add(&spread, JSG_NANO);
        CHECK(spread.mean_nanobits == JSG_NANO);
        CHECK(spread.deviation_nanobits == 0);
    }
    SECTION("half of them at the largest divergence, half at none") {
        spread.sum_microbits = max_windows / 2 * micro;
        spread.sum_of_squares = max_windows / 2 * micro * micro;
        jsg_spread_add(&spread, 0);
        CHECK(spread.mean_nanobits == JSG_NANO / 2);
        CHECK(spread.deviation_nanobits == JSG_NANO / 2);
    }
    SECTION("the last window before the cap can be the largest") {
        spread.maximum_nanobits = 0;
        jsg_spread_add(&spread, 5000);
        CHECK(spread.maximum_nanobits == 5000);
    }
    CHECK(spread.windows == max_windows);
    const jsg_spread full = spread;
    jsg_spread_add(&spread, JSG_NANO);
    jsg_spread_add(&spread, 0);
    CHECK(std::memcmp(&spread, &full, sizeof(full)) == 0);
}

TEST_CASE("the threshold is the larger of mean + 3 deviations, and of the maximum + a margin",
          "[spread]") {
    struct Row {
        const char* name;
        std::uint32_t windows, mean, deviation, maximum, threshold;
    };
    const Row row = GENERATE(values<Row>({
        {"nothing was seen", 0, 0, 0, 0, 120'000'000},
        {"one window too few, whatever the figures", 9, JSG_NANO, JSG_NANO, JSG_NANO, 120'000'000},
        {"just enough windows, all with a divergence of 0", 10, 0, 0, 0, 50'000'000},
        {"by the largest", 10, 10'000'000, 5'000'000, 20'000'000, 70'000'000},
        {"by the deviation", 10, 50'000'000, 40'000'000, 100'000'000, 170'000'000},
        {"both rules the same", 10, 40'000'000, 30'000'000, 80'000'000, 130'000'000},
        {"the deviation just above", 10, 40'000'001, 30'000'000, 80'000'000, 130'000'001},
        {"the largest just above", 10, 40'000'000, 30'000'000, 80'000'001, 130'000'001},
        {"below the default, because the spread is small", 1000, 1'000'000, 100'000, 2'000'000,
         52'000'000},
        {"just below the cap", 10, 0, 0, 899'999'999, 949'999'999},
        {"at the cap", 10, 0, 0, 900'000'000, 950'000'000},
        {"above the cap by the largest", 10, 0, 0, 900'000'001, 950'000'000},
        {"above the cap by the deviation", 10, 500'000'000, 500'000'000, JSG_NANO, 950'000'000},
        {"more than a file may contain", 10, 0xffffffff, 0xffffffff, 0xffffffff, 950'000'000},
        {"the maximum number of windows", 1 << 24, 10'000'000, 0, 10'000'000, 60'000'000},
    }));
    CAPTURE(row.name);
    jsg_spread spread{};
    spread.windows = row.windows;
    spread.mean_nanobits = row.mean;
    spread.deviation_nanobits = row.deviation;
    spread.maximum_nanobits = row.maximum;
    CHECK(jsg_threshold_of_spread(&spread) == row.threshold);
}

TEST_CASE("no divergence while learning is above the threshold from the spread", "[spread]") {
    std::mt19937_64 random(3);
    for (int i = 0; i < 1000; ++i) {
        std::vector<std::uint32_t> nanobits(JSG_SPREAD_WINDOWS + random() % 50);
        for (auto& js : nanobits) js = random() % (JSG_THRESHOLD_MAX_NANOBITS + 1);
        const jsg_spread spread = spread_of(nanobits);
        CAPTURE(i, spread.maximum_nanobits);
        REQUIRE(jsg_threshold_of_spread(&spread) >= spread.maximum_nanobits);
    }
}
