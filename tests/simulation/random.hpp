// SPDX-License-Identifier: BSD-2-Clause
// Random numbers of a simulation. They are the same on every machine: the generator is that of the
// standard, and logarithm and exponential function use only operations that IEEE 754 rounds
// exactly. (Those of the C library may differ in the last bit.)
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>

namespace simulation {

namespace series {
constexpr double ln2 = 0.693147180559945309;

// 1, 1 / 1!, 1 / 2! ... and 1, 1 / 3, 1 / 5 ...
constexpr auto inverse_factorials = [] {
    std::array<double, 15> found{1};
    for (std::size_t n = 1; n < found.size(); ++n) found[n] = found[n - 1] / static_cast<double>(n);
    return found;
}();
constexpr auto inverse_odd = [] {
    std::array<double, 9> found{};
    for (std::size_t n = 0; n < found.size(); ++n) found[n] = 1 / (2 * static_cast<double>(n) + 1);
    return found;
}();

// The polynomial with these coefficients, the constant one first.
template <std::size_t count>
constexpr double sum(const std::array<double, count>& coefficients, double x) {
    double result = 0;
    for (std::size_t n = count; n-- > 0;) result = result * x + coefficients[n];
    return result;
}
}  // namespace series

// The natural logarithm of x > 0, within 1e-13 of its size or of 1.
inline double natural_log(double x) {
    int exponent = 0;
    double mantissa = std::frexp(x, &exponent);
    if (mantissa < 0.70710678118654752) {
        mantissa *= 2;
        --exponent;
    }
    const double z = (mantissa - 1) / (mantissa + 1);
    return 2 * z * series::sum(series::inverse_odd, z * z) + exponent * series::ln2;
}

// e to the power of x, relative error below 1e-13. Domain: |x| < 700.
inline double e_to_the(double x) {
    const double power = std::floor(x / series::ln2 + 0.5), rest = x - power * series::ln2;
    return std::ldexp(series::sum(series::inverse_factorials, rest), static_cast<int>(power));
}

class Random {
  public:
    // Generators of different seeds, or of different streams, are independent.
    Random(std::uint64_t seed, std::uint64_t stream)
        : engine_(mixed(seed + 0x9e3779b97f4a7c15 * (stream + 1))) {}

    double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }  // [0, 1)
    double uniform(double from, double to) { return from + (to - from) * uniform(); }
    bool happens(double probability) { return uniform() < probability; }
    std::uint32_t below(std::uint32_t end) { return static_cast<std::uint32_t>(uniform() * end); }
    double exponential(double mean) { return -mean * natural_log(1 - uniform()); }
    double normal() {  // Marsaglia's polar method
        for (;;) {
            const double x = uniform(-1, 1), y = uniform(-1, 1), square = x * x + y * y;
            if (square > 0 && square < 1) return x * std::sqrt(-2 * natural_log(square) / square);
        }
    }
    // sigma: the standard deviation of the logarithm.
    double lognormal(double median, double sigma) { return median * e_to_the(sigma * normal()); }

  private:
    static std::uint64_t mixed(std::uint64_t number) {  // Stafford's mix 13
        number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9;
        number = (number ^ number >> 27) * 0x94d049bb133111eb;
        return number ^ number >> 31;
    }

    std::mt19937_64 engine_;
};

}  // namespace simulation
