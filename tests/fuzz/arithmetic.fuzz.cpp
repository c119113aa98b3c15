// SPDX-License-Identifier: BSD-2-Clause
// Checks each step of the fixed-point arithmetic against long double or wider integers: logarithm,
// division, product, billionths, square root and spread.
#include <cmath>
#include <vector>

#include "fuzz.hpp"
#include "kernel/log2.h"
#include "kernel/spread.h"

namespace {

using Wide = unsigned __int128;

void check_logarithm(std::uint64_t x) {
    const std::uint64_t found = jsg_log2_q30(x);
    const long double error =
        static_cast<long double>(found) / JSG_ONE_Q30 - std::log2(static_cast<long double>(x));
    fuzz::require(error >= -JSG_LOG2_ERROR && error <= JSG_LOG2_EXCESS,
                  "a logarithm is within JSG_LOG2_ERROR and JSG_LOG2_EXCESS");
    fuzz::require(x == UINT64_MAX || jsg_log2_q30(x + 1) >= found, "a logarithm never falls");
    const auto highest = static_cast<std::uint32_t>(63 - __builtin_clzll(x));
    fuzz::require(jsg_highest_bit(x) == highest, "the highest bit is found");
    if ((x & (x - 1)) == 0)
        fuzz::require(found == highest * JSG_ONE_Q30, "powers of two are exact");
}

void check_division(std::uint64_t count, std::uint64_t total) {
    fuzz::require(jsg_probability_q48(count, total) ==
                      static_cast<std::uint64_t>((Wide{count} << JSG_PROBABILITY_BITS) / total),
                  "a probability is the exact one, rounded down");
}

void check_products(std::uint64_t probability_q48, std::uint64_t bits_q30,
                    std::uint64_t share_q32) {
    fuzz::require(
        jsg_product_q54(probability_q48, bits_q30) ==
            static_cast<std::uint64_t>(Wide{probability_q48} * bits_q30 >> JSG_SPLIT_BITS),
        "a product is the exact one, rounded down");
    fuzz::require(
        jsg_scale_q48(probability_q48, share_q32) ==
            static_cast<std::uint64_t>(Wide{probability_q48} * share_q32 >> JSG_SHARE_BITS),
        "a share is the exact one, rounded down");
}

void check_billionths(std::int64_t sum, unsigned fraction_bits) {
    const std::uint64_t found = jsg_nano(sum, fraction_bits);
    const long double exact =
        sum <= 0 ? 0 : std::ldexp(static_cast<long double>(sum), -static_cast<int>(fraction_bits));
    fuzz::require(std::abs(static_cast<long double>(found) - exact * JSG_NANO) < 0.56L,
                  "billionths are within 0.56 of the exact ones");
}

void check_square_root(std::uint64_t x) {
    const Wide root = jsg_square_root(x);
    fuzz::require(root * root <= x && (root + 1) * (root + 1) > x,
                  "a root is the exact one, rounded down");
}

void check_spread(const std::vector<std::uint32_t>& divergences) {
    jsg_spread spread{};
    long double sum = 0, squares = 0;
    std::uint32_t maximum = 0;
    for (const std::uint32_t nanobits : divergences) {
        jsg_spread_add(&spread, nanobits);
        const auto micro = static_cast<long double>(nanobits / JSG_NANO_IN_MICRO);
        sum += micro;
        squares += micro * micro;
        maximum = std::max(maximum, nanobits);
    }
    if (divergences.empty()) return;
    const auto windows = static_cast<long double>(divergences.size());
    const long double mean = sum / windows;
    const long double variance = squares / windows - mean * mean;  // below 2^40, so exact enough
    const long double deviation = spread.deviation_nanobits;
    constexpr long double rounding = 1 + 1e-6L;  // of the variance to a whole number
    constexpr long double square = 1.0L * JSG_NANO_IN_MICRO * JSG_NANO_IN_MICRO;
    fuzz::require(spread.windows == divergences.size() && spread.maximum_nanobits == maximum,
                  "windows are counted, and the largest is kept");
    fuzz::require(std::abs(spread.mean_nanobits - mean * JSG_NANO_IN_MICRO) <= 1,
                  "a mean is the exact one, rounded");
    fuzz::require(deviation * deviation <= (variance + rounding) * square &&
                      (deviation + 1) * (deviation + 1) >= (variance - rounding) * square,
                  "a deviation is the exact one except for the rounding of the variance");
    const std::uint32_t threshold = jsg_threshold_of_spread(&spread);
    fuzz::require(threshold > 0 && threshold <= JSG_THRESHOLD_MAX_NANOBITS,
                  "a threshold can be exceeded");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider input(data, size);
    fuzz::Numbers numbers(input);
    check_logarithm(numbers.from_to(1, UINT64_MAX - 1));
    check_logarithm(numbers.from_to(1, JSG_ONE_Q48));
    const std::uint64_t total = numbers.from_to(1, 1ULL << JSG_TOTAL_BITS);
    check_division(numbers.up_to(std::min(total, std::uint64_t{1} << JSG_COUNT_BITS)), total);
    check_products(numbers.up_to(JSG_ONE_Q48), numbers.up_to((64ULL << JSG_LOG2_BITS) - 1),
                   numbers.up_to(JSG_ONE_Q32));
    check_billionths(static_cast<std::int64_t>(numbers()),
                     static_cast<unsigned>(numbers.from_to(JSG_NANO_CUT_BITS, 62)));
    check_square_root(numbers());
    std::vector<std::uint32_t> divergences;
    while (numbers.more() && divergences.size() < 1000) divergences.push_back(numbers.nanobits());
    check_spread(divergences);
    return 0;
}
