// SPDX-License-Identifier: BSD-2-Clause
// Tests of the simulator's random numbers.
#include "tests/simulation/random.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/catch_compat.hpp"

using simulation::Random;

TEST_CASE("The simulator's logarithm and exponential function are as exact as they say",
          "[simulation]") {
    Random random(1, 1);
    for (int i = 0; i < 20'000; ++i) {
        const double x = random.uniform(-40, 40), power = std::exp(x);
        REQUIRE(std::abs(simulation::e_to_the(x) / power - 1) < 1e-13);
        REQUIRE(std::abs(simulation::natural_log(power) - std::log(power)) <
                1e-13 * std::max(1.0, std::abs(x)));
    }
    CHECK(simulation::natural_log(1) == 0);
    CHECK(simulation::e_to_the(0) == 1);
}

TEST_CASE("The simulator's random numbers have the distributions that they are named after",
          "[simulation]") {
    constexpr int number = 100'000;
    Random random(7, 3);
    double sum = 0, normals = 0, squares = 0;
    std::vector<double> lognormals;
    for (int i = 0; i < number; ++i) {
        sum += random.exponential(5);
        const double normal = random.normal();
        normals += normal;
        squares += normal * normal;
        lognormals.push_back(random.lognormal(3, 2));
    }
    std::nth_element(lognormals.begin(), lognormals.begin() + number / 2, lognormals.end());
    // Six standard deviations of the mean are below these bounds.
    CHECK(std::abs(sum / number - 5) < 0.1);
    CHECK(std::abs(normals / number) < 0.02);
    CHECK(std::abs(squares / number - 1) < 0.03);
    CHECK(std::abs(std::log(lognormals[number / 2] / 3)) < 0.05);
}

TEST_CASE("Each seed and each stream gives other random numbers, and always the same",
          "[simulation]") {
    CHECK(Random(1, 2).uniform() == Random(1, 2).uniform());
    CHECK(Random(1, 2).uniform() != Random(2, 2).uniform());
    CHECK(Random(1, 2).uniform() != Random(1, 3).uniform());
    CHECK(Random(1, 2).uniform() != Random(2, 1).uniform());
}
