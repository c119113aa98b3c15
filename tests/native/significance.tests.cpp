// SPDX-License-Identifier: BSD-2-Clause
// Tests of the significance bound: its table against another survival function, and its edges.
#include "kernel/significance.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernel/comparison.h"
#include "tests/catch_compat.hpp"
#include "tests/reference.hpp"

namespace {

constexpr std::uint32_t saturated = 0xffffffff;
constexpr std::uint32_t degrees = JSG_SIGNIFICANCE_DEGREES;
constexpr long double unit = 1.0L / (1 << JSG_CHI_SQUARE_BITS);

/// The probability that chi-square with k degrees of freedom exceeds x. The method differs from
/// that of lut_gen/chi_square_table.py. It is the continued fraction of the incomplete gamma
/// function (Abramowitz and Stegun 6.5.31) by Lentz's method. Domain: x > k + 2, where it converges
/// fast.
long double survival(unsigned k, long double x) {
    const long double a = k / 2.0L, z = x / 2;
    long double b = z + 1 - a, c = 1e300L, d = 1 / b, fraction = d;
    for (unsigned i = 1; i < 10'000; i++) {
        const long double an = -(i * (i - a));
        b += 2;
        d = 1 / (an * d + b);
        c = b + an / c;
        fraction *= d * c;
        if (std::fabs(d * c - 1) < 1e-18L) break;
    }
    return std::exp(a * std::log(z) - z - std::lgamma(a)) * fraction;
}

/// The significance bound in billionths from the formula, not rounded.
long double exact_bound(std::uint32_t cells, long double window, long double baseline, unsigned e) {
    const long double quantile = jsg_chi_square_table[e - 1][std::min(cells, degrees) - 1] * unit;
    return quantile / 4 * (1 / window + (baseline > 0 ? 1 / baseline : 0)) * 1e9L;
}

/// The probability of each outcome k: k of the samples are in the first of two cells.
std::vector<double> binomial(unsigned samples, double share) {
    std::vector<double> found;
    for (unsigned k = 0; k <= samples; k++)
        found.push_back(std::exp(std::lgamma(samples + 1.0) - std::lgamma(k + 1.0) -
                                 std::lgamma(samples - k + 1.0) + k * std::log(share) +
                                 (samples - k) * std::log1p(-share)));
    return found;
}

std::uint32_t js_of(const std::vector<std::uint32_t>& p, const std::vector<std::uint32_t>& q) {
    jsg_comparison sums;
    jsg_comparison_begin(&sums, reference::total(p), reference::total(q), JSG_ONE_Q32);
    for (std::size_t i = 0; i < p.size(); i++) jsg_comparison_add(&sums, p[i], q[i]);
    return jsg_js_nanobits(sums.js_q55);
}

constexpr unsigned simulated_exponents = 6;  // above 6, sums of doubles are too inexact
using Rates = std::array<double, simulated_exponents>;

/// Adds the probability of an outcome to the rates of the exponents whose bound it exceeds.
void add_outcome(Rates& rates, double probability, std::uint32_t js, std::uint32_t cells,
                 std::uint64_t window, std::uint64_t baseline) {
    for (unsigned e = 1; e <= simulated_exponents; e++)
        if (js > jsg_significance_nanobits(cells, window * JSG_MILLI, baseline * JSG_MILLI, e))
            rates[e - 1] += probability;
}

/// The largest rate, as a multiple of the allowed rate.
double worst_of(const Rates& rates) {
    double worst = 0;
    for (unsigned e = 1; e <= simulated_exponents; e++)
        worst = std::max(worst, rates[e - 1] * std::pow(10.0, e));
    return worst;
}

std::vector<std::uint32_t> empty_occupancy() { return std::vector<std::uint32_t>(JSG_PHASE_CELLS); }

}  // namespace

TEST_CASE("every quantile is the smallest with its probability", "[significance]") {
    for (unsigned e = 1; e <= JSG_SIGNIFICANCE_EXPONENTS; e++)
        for (unsigned k = 1; k <= degrees; k++) {
            const long double entry = jsg_chi_square_table[e - 1][k - 1] * unit;
            const long double probability = std::pow(10.0L, -static_cast<long double>(e));
            const long double here = survival(k, entry), before = survival(k, entry - unit);
            CAPTURE(e, k, entry, here, before);
            // The error of long double. It is below a hundredth of what one unit changes.
            const long double error = 2e-15L * probability;
            REQUIRE(before - here > 100 * error);
            REQUIRE(here <= probability + error);
            REQUIRE(before > probability - error);
        }
}

TEST_CASE("quantiles are those of the textbooks", "[significance]") {
    // Abramowitz and Stegun, table 26.8.
    struct Known {
        unsigned e, k;
        double quantile;
    };
    for (const Known& known : {Known{1, 1, 2.70554}, Known{1, 10, 15.9871}, Known{2, 1, 6.63490},
                               Known{2, 30, 50.8922}, Known{2, 100, 135.807}, Known{3, 1, 10.828},
                               Known{3, 10, 29.588}, Known{4, 10, 35.564}, Known{4, 1, 15.137}}) {
        CAPTURE(known.e, known.k);
        CHECK(jsg_chi_square_table[known.e - 1][known.k - 1] * static_cast<double>(unit) ==
              Approx(known.quantile).epsilon(5e-5));
    }
}

TEST_CASE("quantiles rise with the degrees of freedom and with the exponent", "[significance]") {
    for (unsigned e = 0; e < JSG_SIGNIFICANCE_EXPONENTS; e++)
        for (unsigned k = 0; k < degrees; k++) {
            const std::uint32_t entry = jsg_chi_square_table[e][k];
            CAPTURE(e, k, entry);
            if (k) REQUIRE(entry > jsg_chi_square_table[e][k - 1]);
            if (e) REQUIRE(entry > jsg_chi_square_table[e - 1][k]);
        }
}

TEST_CASE("the bound is the formula rounded up by at most three billionths", "[significance]") {
    for (const std::uint64_t window : {1, 7, 100, 12'345, 4'000'000})
        for (const std::uint64_t baseline : {0, 1, 31, 99'999, 2'000'000})
            for (const std::uint32_t cells : {2, 3, 50, 196, 256})
                for (unsigned e = 1; e <= JSG_SIGNIFICANCE_EXPONENTS; e++) {
                    const long double exact = exact_bound(cells, window, baseline, e);
                    const std::uint32_t found = jsg_significance_nanobits(cells, window * JSG_MILLI,
                                                                          baseline * JSG_MILLI, e);
                    CAPTURE(window, baseline, cells, e, exact, found);
                    if (exact > saturated) {
                        CHECK(found == saturated);
                        continue;
                    }
                    CHECK(found >= exact);
                    CHECK(found <= exact + 3);
                }
}

TEST_CASE("the bound holds for every outcome of two cells and a known baseline", "[significance]") {
    // This adds up every outcome with its probability. With one degree of freedom less, the worst
    // rate would be 6 times the allowed rate.
    double worst = 0;
    for (const unsigned window : {20, 50, 100, 300, 1000, 3000})
        for (unsigned i = 1; i < 160; i++) {
            constexpr unsigned baseline = 1'000'000'000;
            const auto rare =
                static_cast<std::uint32_t>(std::min(0.5, i * 0.25 / window) * baseline);
            const std::vector<double> outcomes =
                binomial(window, static_cast<double>(rare) / baseline);
            Rates rates{};
            for (unsigned k = 0; k <= window; k++)
                add_outcome(rates, outcomes[k], js_of({k, window - k}, {rare, baseline - rare}), 2,
                            window, 0);
            CAPTURE(window, rare, rates);
            CHECK(worst_of(rates) <= 1);
            worst = std::max(worst, worst_of(rates));
        }
    CHECK(worst > 0.9);  // so the bound is hardly larger than necessary
}

TEST_CASE("the bound holds for every outcome of three cells and a known baseline",
          "[significance]") {
    double worst = 0;
    for (const unsigned window : {20, 60})
        for (const double first : {0.01, 0.05, 0.1, 0.2, 0.3})
            for (const double second : {0.01, 0.05, 0.1, 0.2, 0.3, 0.35}) {
                constexpr unsigned baseline = 1'000'000'000;
                const auto a = static_cast<std::uint32_t>(first * baseline);
                const auto b = static_cast<std::uint32_t>(second * baseline);
                Rates rates{};
                const std::vector<double> outcomes = binomial(window, first);
                for (unsigned i = 0; i <= window; i++) {
                    const std::vector<double> rest = binomial(window - i, second / (1 - first));
                    for (unsigned j = 0; i + j <= window; j++)
                        add_outcome(rates, outcomes[i] * rest[j],
                                    js_of({i, j, window - i - j}, {a, b, baseline - a - b}), 3,
                                    window, 0);
                }
                CAPTURE(window, first, second, rates);
                CHECK(worst_of(rates) <= 1);
                worst = std::max(worst, worst_of(rates));
            }
    CHECK(worst > 0.5);
}

TEST_CASE("the bound holds for every outcome of two cells and a sampled baseline",
          "[significance]") {
    double worst = 0;
    for (const unsigned window : {20, 40, 150, 1000})
        for (const unsigned baseline : {10, 30, 100, 300}) {
            std::vector<std::uint32_t> js;
            for (unsigned i = 0; i <= window; i++)
                for (unsigned j = 0; j <= baseline; j++)
                    js.push_back(js_of({i, window - i}, {j, baseline - j}));
            for (const double share : {0.0005, 0.003, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2,
                                       0.25, 0.3, 0.35, 0.4, 0.45, 0.5}) {
                const std::vector<double> windows = binomial(window, share);
                const std::vector<double> baselines = binomial(baseline, share);
                Rates rates{};
                for (std::size_t i = 0; i <= window; i++)
                    for (std::size_t j = 0; j <= baseline; j++)
                        add_outcome(rates, windows[i] * baselines[j], js[i * (baseline + 1) + j], 2,
                                    window, baseline);
                CAPTURE(window, baseline, share, rates);
                CHECK(worst_of(rates) <= 1);
                worst = std::max(worst, worst_of(rates));
            }
        }
    CHECK(worst > 0.3);
}

TEST_CASE("one cell cannot vary", "[significance]") {
    CHECK(jsg_significance_nanobits(0, 1000, 1000, 6) == 0);
    CHECK(jsg_significance_nanobits(1, 1000, 1000, 6) == 0);
    CHECK(jsg_significance_nanobits(1, 0, 0, 6) == 0);
    CHECK(jsg_significance_nanobits(2, 1'000'000, 1'000'000, 6) > 0);
}

TEST_CASE("without samples in the window or the baseline no divergence is significant",
          "[significance]") {
    CHECK(jsg_significance_nanobits(2, 0, 1'000'000, 1) == saturated);
    CHECK(jsg_significance_nanobits(2, 1, 1'000'000, 1) == saturated);
    CHECK(jsg_significance_nanobits(2, 1'000'000, 1, 1) == saturated);
    CHECK(jsg_significance_nanobits(256, 1, 1, 12) == saturated);
    // 0 samples in the baseline mean that it is known exactly. Then it adds nothing.
    CHECK(jsg_significance_nanobits(10, 40'000, 0, 6) ==
          Approx(static_cast<double>(exact_bound(10, 40, 0, 6))).margin(2));
}

TEST_CASE("arguments outside the table are replaced by its last entry", "[significance]") {
    const std::uint32_t last =
        jsg_significance_nanobits(10, 100'000, 100'000, JSG_SIGNIFICANCE_EXPONENTS);
    CHECK(jsg_significance_nanobits(10, 100'000, 100'000, 0) == last);
    CHECK(jsg_significance_nanobits(10, 100'000, 100'000, JSG_SIGNIFICANCE_EXPONENTS + 1) == last);
    CHECK(jsg_significance_nanobits(10, 100'000, 100'000, saturated) == last);
    CHECK(jsg_significance_nanobits(10, 100'000, 100'000, JSG_SIGNIFICANCE_EXPONENTS - 1) < last);
    CHECK(jsg_significance_nanobits(saturated, 1'000'000, 0, 3) ==
          jsg_significance_nanobits(degrees, 1'000'000, 0, 3));
}

TEST_CASE("more samples make the bound smaller, more cells make it larger", "[significance]") {
    std::uint32_t before = saturated;
    for (std::uint64_t samples = 20'000; samples < 1'000'000'000; samples *= 2) {
        const std::uint32_t found = jsg_significance_nanobits(10, samples, samples, 6);
        CHECK(found < before);
        CHECK(jsg_significance_nanobits(11, samples, samples, 6) > found);
        before = found;
    }
}

TEST_CASE("four transitions are one sample", "[significance]") {
    CHECK(jsg_transition_samples_milli(0) == 0);
    CHECK(jsg_transition_samples_milli(4) == 1000);
    CHECK(jsg_transition_samples_milli(103) == 25'750);
    CHECK(jsg_transition_samples_milli(0xffffffff) == 1'073'741'823'750);
}

TEST_CASE("each episode counts once, and so does each socket that is always open",
          "[significance]") {
    std::vector<std::uint32_t> seen = empty_occupancy();
    // Not 0, which would mean a baseline that is known exactly.
    CHECK(jsg_episodes_milli(seen.data(), JSG_PHASE_CELLS, 60, 1) == 1);

    // One episode of 40 s with a sample each second. The buckets get 1, 1, 2, 4, 8 and 16 samples,
    // the last one 8.
    const std::array<std::uint32_t, JSG_AGES> episode{1, 1, 2, 4, 8, 16, 8};
    for (unsigned age = 0; age < JSG_AGES; age++)
        seen[JSG_REQUEST_SLOW * JSG_AGES + age] = episode[age];
    CHECK(jsg_episodes_milli(seen.data(), JSG_PHASE_CELLS, 60, 1) == 1000 + 8000 / 60 + 1);

    // 29 short episodes in another phase, and 5 sockets that are half closed for all of the 60 s.
    seen[JSG_RESPONSE_MOVING * JSG_AGES] = 29;
    seen[JSG_HALF_CLOSED * JSG_AGES + JSG_AGES - 1] = 5 * 60;
    CHECK(jsg_episodes_milli(seen.data(), JSG_PHASE_CELLS, 60, 1) == 30'000 + 308'000 / 60 + 1);
}

TEST_CASE("episodes in the phase waiting count if that phase is judged", "[significance]") {
    std::vector<std::uint32_t> seen = empty_occupancy();
    seen[JSG_CLOSING * JSG_AGES] = 3;
    seen[JSG_WAITING * JSG_AGES] = 20;
    seen[JSG_WAITING * JSG_AGES + JSG_AGES - 1] = 60;
    CHECK(jsg_episodes_milli(seen.data(), JSG_JUDGED_CELLS, 60, 1) == 3001);
    CHECK(jsg_episodes_milli(seen.data(), JSG_PHASE_CELLS, 60, 1) == 24'001);
}

TEST_CASE("with a longer step the first sample finds other ages", "[significance]") {
    // 1000 socket-seconds in each age bucket of one phase.
    std::vector<std::uint32_t> seen = empty_occupancy();
    for (unsigned age = 0; age < JSG_AGES; age++) seen[age] = 1000;
    // The buckets end at 1, 2, 4, 8, 16 and 32 s. The last bucket is divided by the time of 600 s.
    const std::uint64_t last = 1'000'000 / 600 + 1;
    CHECK(jsg_episodes_milli(seen.data(), JSG_PHASE_CELLS, 600, 1) == 1'000'000 + last);
    CHECK(jsg_episodes_milli(seen.data(), JSG_PHASE_CELLS, 600, 2) == 2'000'000 / 2 + last);
    CHECK(jsg_episodes_milli(seen.data(), JSG_PHASE_CELLS, 600, 3) == 2'000'000 / 3 + last);
    CHECK(jsg_episodes_milli(seen.data(), JSG_PHASE_CELLS, 600, 4) == 3'000'000 / 4 + last);
    CHECK(jsg_episodes_milli(seen.data(), JSG_PHASE_CELLS, 600, 31) == 5'000'000 / 31 + last);
    CHECK(jsg_episodes_milli(seen.data(), JSG_PHASE_CELLS, 600, 300) == 6'000'000 / 300 + last);
}

TEST_CASE("a baseline has at least as many samples as it had open sockets on average",
          "[significance]") {
    std::vector<std::uint32_t> seen = empty_occupancy();
    // 15 sockets that were open before, at ages from 2 s to 6 s, so there is no first sample of
    // their episodes.
    seen[JSG_REQUEST_SLOW * JSG_AGES + 2] = 30;
    seen[JSG_REQUEST_SLOW * JSG_AGES + 3] = 15;
    CHECK(jsg_episodes_milli(seen.data(), JSG_PHASE_CELLS, 3, 1) == 15'001);
    seen[JSG_REQUEST_SLOW * JSG_AGES] = 15;
    CHECK(jsg_episodes_milli(seen.data(), JSG_PHASE_CELLS, 3, 1) == 20'001);
    seen[JSG_REQUEST_SLOW * JSG_AGES] = 45;
    CHECK(jsg_episodes_milli(seen.data(), JSG_PHASE_CELLS, 3, 1) == 45'001);
}

TEST_CASE("no counts overflow the number of episodes", "[significance]") {
    const std::vector<std::uint32_t> full(JSG_PHASE_CELLS, 0xffffffff);
    CHECK(jsg_episodes_milli(full.data(), JSG_PHASE_CELLS, 1, 1) ==
          JSG_PHASE_CELLS * 4'294'967'295'000 + 1);  // more sockets open than episodes
}

TEST_CASE("a quiet service can still raise an alert", "[significance]") {
    // 30 short episodes in two phases, and one of 35 s: 8 cells. 40 sockets are open in the window.
    std::vector<std::uint32_t> seen = empty_occupancy();
    const std::array<std::uint32_t, JSG_AGES> episode{1, 1, 2, 4, 8, 16, 3};
    for (unsigned age = 0; age < JSG_AGES; age++)
        seen[JSG_REQUEST_SLOW * JSG_AGES + age] = episode[age];
    seen[JSG_REQUEST_SLOW * JSG_AGES] += 15;
    seen[JSG_RESPONSE_MOVING * JSG_AGES] += 15;
    const std::uint64_t episodes = jsg_episodes_milli(seen.data(), JSG_JUDGED_CELLS, 60, 1);
    CHECK(jsg_significance_nanobits(8, 40'000, episodes, 6) < 620'000'000);
}
