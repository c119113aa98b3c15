// SPDX-License-Identifier: BSD-2-Clause
// Tests of what is computed from measured samples: thresholds, rates, AUC and classes. The expected
// numbers are known by hand.
#include "offline/analysis/analysis.hpp"

#include <cmath>
#include <limits>
#include <random>

#include "tests/catch_compat.hpp"

using namespace jsguard;

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();
using Values = std::vector<double>;

Separation separation(const Values& normal, const Values& attack) {
    return separation_of(normal, attack, thresholds_of(normal));
}

// A class with one sample for each value. All measures of a sample have that value.
MeasuredClass class_of(const std::string& name, const Values& values) {
    MeasuredClass group;
    group.name = name;
    for (const double value : values) {
        group.samples.emplace_back().values.fill(value);
    }
    return group;
}

}  // namespace

TEST_CASE("the two rules for a threshold from normal samples alone", "[analysis]") {
    const Thresholds rules = thresholds_of({2, 4, 4, 4, 5, 5, 7, 9});  // mean 5, population sigma 2
    CHECK(rules.maximum == Approx(9.05));
    CHECK(rules.deviation == Approx(11));
    const Thresholds one = thresholds_of({0.25});
    CHECK(one.maximum == Approx(0.3));
    CHECK(one.deviation == 0.25);
}

TEST_CASE("an infinite normal sample makes both rules infinite", "[analysis]") {
    const Thresholds rules = thresholds_of({0.1, infinite});
    CHECK(rules.maximum == infinite);
    CHECK(rules.deviation == infinite);
}

TEST_CASE("classes that do not overlap have an AUC of 1 and a threshold between them",
          "[analysis]") {
    const Separation found = separation({0.2, 0.1}, {0.6, 0.4, 0.5});
    CHECK(found.auc == 1);
    CHECK(found.best == Approx(0.3));
    CHECK(found.at_best.detection == 1);
    CHECK(found.at_best.false_positive == 0);
}

TEST_CASE("classes that overlap: AUC, best threshold and rates by hand", "[analysis]") {
    // Of 12 pairs the attack sample is larger in 3 + 3 + 2 + 2, and one pair ties.
    const Separation found = separation({0.1, 0.2, 0.4}, {0.4, 0.3, 0.5, 0.6});
    CHECK(found.auc == Approx((3 + 3 + 2 + 2.5) / 12));
    // Above 0.2: 4/4 - 1/3 = 0.667; above 0.4: 2/4 - 0.
    CHECK(found.best == Approx(0.25));
    CHECK(found.at_best.detection == 1);
    CHECK(found.at_best.false_positive == Approx(1.0 / 3));
    CHECK(found.at_maximum.detection == 0.5);  // above 0.45
    CHECK(found.at_maximum.false_positive == 0);
}

TEST_CASE("samples that are all equal cannot be separated", "[analysis]") {
    const Separation found = separation({0.2, 0.2}, {0.2, 0.2, 0.2});
    CHECK(found.auc == 0.5);
    CHECK(found.best == 0.2);
    CHECK(found.at_best.detection == 0);
    CHECK(found.at_best.false_positive == 0);
}

TEST_CASE("an attack with smaller values than normal has an AUC of 0", "[analysis]") {
    const Separation found = separation({0.5, 0.6}, {0.1, 0.2});
    CHECK(found.auc == 0);
    CHECK(found.at_best.detection == 0);
    CHECK(found.at_best.false_positive == 0);
}

TEST_CASE("the largest of equally good thresholds is taken", "[analysis]") {
    // Above 0.1: 1 - 1/2; above 0.3: 1/2 - 0.
    const Separation found = separation({0.1, 0.3}, {0.2, 0.5});
    CHECK(found.best == Approx(0.4));
    CHECK(found.at_best.false_positive == 0);
    // Thirds and tenths round differently. Above 1: 9/10 - 2/3 = 7/30; above 3: 3/10 - 0.
    const Separation many = separation({1, 3, 3}, {2, 2, 2, 2, 2, 2, 4, 4, 4, 0});
    CHECK(many.at_best.detection == Approx(0.3));
    CHECK(many.at_best.false_positive == 0);
}

TEST_CASE("infinite samples tie with each other and are above all others", "[analysis]") {
    const Separation found = separation({0.1, infinite}, {infinite, infinite});
    CHECK(found.auc == 0.75);
    CHECK(found.best == 0.1);  // no number is halfway to infinity
    CHECK(found.at_best.detection == 1);
    CHECK(found.at_best.false_positive == 0.5);
    CHECK(found.at_maximum.detection == 0);
}

TEST_CASE("the threshold between two neighbouring doubles separates them", "[analysis]") {
    const double low = 0.1, high = std::nextafter(low, 1.0);
    for (const double shift : {0.0, 0.1, 0.3}) {
        const double first = std::nextafter(low + shift, 1.0), second = std::nextafter(first, 1.0);
        const Separation found = separation({first}, {second});
        CHECK(found.at_best.detection == 1);
        CHECK(found.at_best.false_positive == 0);
    }
    CHECK(separation({low}, {high}).at_best.detection == 1);
}

TEST_CASE("AUC and best threshold are those of all pairs and of all thresholds", "[analysis]") {
    std::mt19937 random(42);
    for (int round = 0; round < 300; ++round) {
        // Few different values, so that there are ties.
        const auto draw = [&](unsigned shift) {
            Values values(1 + random() % 20);
            for (double& value : values) value = (random() % 12 + shift) / 16.0;
            return values;
        };
        const Values normal = draw(0), attack = draw(random() % 6);
        double wins = 0;
        for (const double n : normal)
            for (const double a : attack) wins += a > n ? 1 : a == n ? 0.5 : 0;
        const auto part_above = [](const Values& values, double threshold) {
            double count = 0;
            for (const double value : values) count += value > threshold;
            return count / static_cast<double>(values.size());
        };
        double max_difference = 0;
        for (double threshold = 0; threshold < 2; threshold += 1 / 32.0)
            max_difference = std::max(
                max_difference, part_above(attack, threshold) - part_above(normal, threshold));
        const Separation found = separation(normal, attack);
        CAPTURE(normal, attack);
        REQUIRE(found.auc ==
                Approx(wins / static_cast<double>(normal.size() * attack.size())).margin(1e-12));
        REQUIRE(found.at_best.detection == part_above(attack, found.best));
        REQUIRE(found.at_best.false_positive == part_above(normal, found.best));
        REQUIRE(found.at_best.detection - found.at_best.false_positive ==
                Approx(max_difference).margin(1e-12));
    }
}

TEST_CASE("each class is summarized, and all attacks together too", "[analysis]") {
    Analysis analysis;
    analysis.classes = {class_of("normal", {0.1, 0.3}), class_of("slow", {0.5, 0.7}),
                        class_of("flood", {0.2})};
    summarize(analysis);
    const auto js = static_cast<std::size_t>(Measure::js);
    CHECK(analysis.classes[0].mean[js] == Approx(0.2));
    CHECK(analysis.classes[0].minimum[js] == 0.1);
    CHECK(analysis.classes[0].maximum[js] == 0.3);
    CHECK(analysis.classes[1].mean[js] == Approx(0.6));
    CHECK(analysis.thresholds[js].maximum == Approx(0.35));
    CHECK(!analysis.classes[0].separation);
    REQUIRE(analysis.classes[1].separation);
    REQUIRE(analysis.classes[2].separation);
    REQUIRE(analysis.separation);
    CHECK((*analysis.classes[1].separation)[js].auc == 1);
    CHECK((*analysis.classes[2].separation)[js].auc == 0.5);
    CHECK((*analysis.separation)[js].auc == Approx(5.0 / 6));
    CHECK((*analysis.separation)[js].best == Approx(0.4));
    CHECK((*analysis.separation)[js].at_best.detection == Approx(2.0 / 3));
}

TEST_CASE("each measure is summarized from its own values", "[analysis]") {
    Analysis analysis;
    analysis.classes = {class_of("normal", {0.1, 0.3}), class_of("slow", {0.5})};
    const auto tv = static_cast<std::size_t>(Measure::total_variation);
    analysis.classes[1].samples[0].values[tv] = 0;
    summarize(analysis);
    CHECK((*analysis.separation)[tv].auc == 0);
    CHECK((*analysis.separation)[static_cast<std::size_t>(Measure::js)].auc == 1);
    CHECK(analysis.classes[1].maximum[tv] == 0);
}

TEST_CASE("without attack samples there are thresholds and no separation", "[analysis]") {
    Analysis analysis;
    analysis.classes = {class_of("normal", {0.1}), class_of("slow", {})};
    summarize(analysis);
    CHECK(!analysis.separation);
    CHECK(!analysis.classes[1].separation);
    CHECK(analysis.classes[1].mean[0] == 0);
    CHECK(analysis.thresholds[0].maximum == Approx(0.15));
}
