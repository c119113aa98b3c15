// SPDX-License-Identifier: BSD-2-Clause
// Tests of the measures of distance in double: values by hand, properties, agreement with the fixed
// point.
#include "offline/analysis/measures.hpp"

#include <cmath>
#include <limits>
#include <numbers>
#include <set>
#include <string>

#include "tests/catch_compat.hpp"
#include "tests/histograms.hpp"

namespace {

using jsguard::Measure;
using jsguard::ProbabilityVector;

constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr double rounding = 1e-13;  // the bound that measures.hpp states
constexpr int rounds = 20'000;

Approx about(double value) { return Approx(value).margin(rounding).epsilon(0); }

double value_of(const jsguard::MeasuredValues& values, Measure measure) {
    return values[static_cast<std::size_t>(measure)];
}

/// Two random distributions, as counts for the fixed point and as probabilities in double.
struct RandomPair {
    Histograms counts;
    ProbabilityVector p, q;
};

RandomPair random_pair(std::mt19937_64& random) {
    RandomPair pair;
    const std::size_t cells = 1 + random() % JSG_CELLS_MAX;
    const int sparsity = static_cast<int>(random() % 4);
    const auto count = [&]() -> std::uint32_t {
        if (sparsity && random() % 4 < static_cast<unsigned>(sparsity)) return 0;
        return static_cast<std::uint32_t>(random() >> (32 + random() % 32));
    };
    for (std::size_t i = 0; i < cells; ++i) {
        pair.counts.p.push_back(count());
        pair.counts.q.push_back(random() % 8 ? count() : pair.counts.p.back());
    }
    pair.counts.p[random() % cells] += 1;
    pair.counts.q[random() % cells] += 1;
    pair.p = jsguard::probability_vector(pair.counts.p);
    pair.q = jsguard::probability_vector(pair.counts.q);
    return pair;
}

}  // namespace

TEST_CASE("measures of two distributions, by hand", "[measures]") {
    const ProbabilityVector p{0.5, 0.5, 0}, q{0.25, 0.5, 0.25};
    CHECK(jsguard::kl_divergence(p, q) == about(0.5));  // 1/2 log2 2
    CHECK(jsguard::kl_divergence(q, p) == infinite);    // the third cell of p is empty
    // m = (3/8, 1/2, 1/8): 1/2 (1/2 log2 4/3 + 1/4 log2 2/3 + 1/4 log2 2)
    const double js = (0.5 * std::log2(4.0 / 3) + 0.25 * std::log2(2.0 / 3) + 0.25) / 2;
    CHECK(jsguard::js_divergence(p, q) == about(js));
    CHECK(jsguard::js_divergence(p, q) == Approx(0.155639).margin(1e-6));
    CHECK(jsguard::total_variation_distance(p, q) == about(0.25));
    CHECK(jsguard::hellinger_distance(p, q) ==
          about(std::sqrt(1 - std::sqrt(0.125) - 0.5)));  // 1 - sum sqrt(pq)
    CHECK(jsguard::entropy(p) == about(1));
    CHECK(jsguard::entropy(q) == about(1.5));
}

TEST_CASE("equal distributions have a distance of exactly 0, by every measure", "[measures]") {
    const ProbabilityVector p = jsguard::probability_vector(std::vector<std::uint32_t>{1, 0, 7, 3});
    for (const double value : jsguard::measure_all(p, p)) CHECK(value == 0);
}

TEST_CASE("distributions with no common cell have the largest distance", "[measures]") {
    const ProbabilityVector p{1, 0, 0}, q{0, 0.5, 0.5};
    CHECK(jsguard::js_divergence(p, q) == 1);
    CHECK(jsguard::kl_divergence(p, q) == infinite);
    CHECK(jsguard::kl_divergence(q, p) == infinite);
    CHECK(jsguard::hellinger_distance(p, q) == 1);
    CHECK(jsguard::total_variation_distance(p, q) == 1);
    CHECK(jsguard::entropy(p) == 0);
}

TEST_CASE("all measures are at their index, and in nats if they have a unit", "[measures]") {
    const ProbabilityVector p{0.75, 0.25}, q{0.5, 0.5};
    const auto bits = jsguard::measure_all(p, q);
    const auto nats = jsguard::measure_all(p, q, jsguard::LogarithmUnit::nats);
    CHECK(value_of(bits, Measure::js) == jsguard::js_divergence(p, q));
    CHECK(value_of(bits, Measure::kl) == jsguard::kl_divergence(p, q));
    CHECK(value_of(bits, Measure::reverse_kl) == jsguard::kl_divergence(q, p));
    CHECK(value_of(bits, Measure::hellinger) == jsguard::hellinger_distance(p, q));
    CHECK(value_of(bits, Measure::total_variation) == 0.25);
    CHECK(value_of(bits, Measure::entropy_difference) == about(1 - jsguard::entropy(p)));
    CHECK(value_of(bits, Measure::entropy_difference) > 0);
    for (std::size_t i = 0; i < jsguard::measures; ++i) {
        const auto measure = static_cast<Measure>(i);
        CAPTURE(jsguard::measure_name(measure));
        const bool unitless = measure == Measure::hellinger || measure == Measure::total_variation;
        CHECK(nats[i] == (unitless ? bits[i] : bits[i] * std::numbers::ln2));
    }
}

TEST_CASE("each measure has its own name and key", "[measures]") {
    std::set<std::string_view> names;
    for (std::size_t i = 0; i < jsguard::measures; ++i) {
        names.insert(jsguard::measure_name(static_cast<Measure>(i)));
        names.insert(jsguard::measure_key(static_cast<Measure>(i)));
    }
    CHECK(names.size() == 2 * jsguard::measures);
}

TEST_CASE("counts give a distribution, and zero counts give none", "[measures]") {
    using Counts = std::vector<std::uint32_t>;
    CHECK(jsguard::probability_vector(Counts{1, 0, 3}) == ProbabilityVector{0.25, 0, 0.75});
    CHECK(jsguard::probability_vector(Counts{0, 0}).empty());
    constexpr std::uint32_t largest = 0xffffffff;
    CHECK(jsguard::probability_vector(Counts{largest, largest}) == ProbabilityVector{0.5, 0.5});
}

TEST_CASE("random distributions keep the properties of the measures", "[measures]") {
    std::mt19937_64 random(20'260'102);
    for (int round = 0; round < rounds; ++round) {
        const auto [counts, p, q] = random_pair(random);
        CAPTURE(round, counts);
        const double js = jsguard::js_divergence(p, q);
        const double kl = jsguard::kl_divergence(p, q);
        const double hellinger = jsguard::hellinger_distance(p, q);
        const double tv = jsguard::total_variation_distance(p, q);
        const bool symmetric = js == jsguard::js_divergence(q, p) &&
                               hellinger == jsguard::hellinger_distance(q, p) &&
                               tv == jsguard::total_variation_distance(q, p);
        const bool bounded = js >= 0 && js <= 1 && kl >= 0 && hellinger >= 0 && hellinger <= 1 &&
                             tv >= 0 && tv <= 1 &&
                             jsguard::entropy(p) <= std::log2(p.size()) + rounding;
        // Pinsker: TV^2 <= KL/2 in nats. Lin: JS <= TV. Le Cam: H^2 <= TV <= sqrt 2 H.
        const bool ordered = tv * tv <= kl * std::numbers::ln2 / 2 + rounding &&
                             js <= tv + rounding && hellinger * hellinger <= tv + rounding &&
                             tv <= std::numbers::sqrt2 * hellinger + rounding;
        // JS is the mean of the two KL divergences from the mean distribution.
        ProbabilityVector mean(p.size());
        for (std::size_t i = 0; i < p.size(); ++i) mean[i] = (p[i] + q[i]) / 2;
        const double halves =
            (jsguard::kl_divergence(p, mean) + jsguard::kl_divergence(q, mean)) / 2;
        if (symmetric && bounded && ordered && std::abs(js - halves) <= rounding) continue;
        CAPTURE(js, kl, hellinger, tv, halves);
        FAIL("symmetric " << symmetric << ", bounded " << bounded << ", ordered " << ordered);
    }
}

TEST_CASE("JS, KL and entropy agree with the kernel's fixed point and with long double",
          "[measures]") {
    std::mt19937_64 random(7);
    double worst_js = 0, worst_kl = 0, worst_entropy = 0, worst_reference = 0;
    for (int round = 0; round < rounds; ++round) {
        const auto [counts, p, q] = random_pair(random);
        if (!counts.in_kl_domain()) continue;
        const measures fixed = measure(counts);
        const double js = jsguard::js_divergence(p, q);
        worst_js = std::max(worst_js, std::abs(js - fixed.js_nanobits / 1e9));
        worst_entropy =
            std::max(worst_entropy, std::abs(jsguard::entropy(p) - fixed.entropy_nanobits / 1e9));
        worst_reference =
            std::max({worst_reference, double(std::abs(js - reference::js(counts.p, counts.q))),
                      double(std::abs(jsguard::entropy(p) - reference::entropy(counts.p)))});
        const double kl = jsguard::kl_divergence(p, q);
        if (std::isfinite(kl))
            worst_kl = std::max(worst_kl, std::abs(kl - fixed.kl_nanobits / 1e9));
    }
    CHECK(worst_js > 0);
    CHECK(worst_js <= JSG_JS_ERROR);
    CHECK(worst_kl > 0);
    CHECK(worst_kl <= JSG_KL_ERROR);
    CHECK(worst_entropy <= JSG_ENTROPY_ERROR);
    CHECK(worst_reference <= rounding);
}
