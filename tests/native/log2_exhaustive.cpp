// SPDX-License-Identifier: BSD-2-Clause
// Compares jsg_log2_q30 with long double for every mantissa, on all CPUs. A tool, not part of
// ctest.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include "kernel/log2.h"

namespace {

constexpr std::uint64_t mantissas = std::uint64_t{1} << JSG_LOG2_MANTISSA_BITS;

struct Worst {
    long double below = 0, above = 0;
    std::uint64_t below_at = 0, above_at = 0;  // mantissas
    std::uint64_t falls = 0;                   // results that are less than the one before

    void keep_worst(const Worst& other) {
        if (other.below > below) below = other.below, below_at = other.below_at;
        if (other.above > above) above = other.above, above_at = other.above_at;
        falls += other.falls;
    }
};

/// The result minus the exponent depends only on the mantissa. The numbers of one mantissa fill
/// [mantissa, mantissa + 1). The bounds must hold for the smallest of them and for the largest,
/// which comes arbitrarily near to the next mantissa. So this covers every x in 1..2^64-1.
Worst try_mantissas(std::uint64_t first, std::uint64_t last) {
    Worst worst;
    long double smallest = std::log2(static_cast<long double>(mantissas + first));
    std::uint64_t previous = 0;
    for (std::uint64_t mantissa = first; mantissa < last; mantissa++) {
        const std::uint64_t result = jsg_log2_q30(mantissas + mantissa);
        const long double bits = static_cast<long double>(result) / JSG_ONE_Q30;
        const long double largest = std::log2(static_cast<long double>(mantissas + mantissa + 1));
        if (largest - bits > worst.below) worst.below = largest - bits, worst.below_at = mantissa;
        if (bits - smallest > worst.above) worst.above = bits - smallest, worst.above_at = mantissa;
        worst.falls += result < previous;
        previous = result;
        smallest = largest;
    }
    // The next thread's first result must not be less than this one's last.
    worst.falls += jsg_log2_q30(mantissas + last) < previous;
    return worst;
}

}  // namespace

int main() {
    const unsigned count = std::max(1U, std::thread::hardware_concurrency());
    std::vector<Worst> found(count);
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < count; i++)
        threads.emplace_back([&found, i, count] {
            found[i] = try_mantissas(mantissas / count * i,
                                     i + 1 == count ? mantissas : mantissas / count * (i + 1));
        });
    for (std::thread& thread : threads) thread.join();
    Worst worst;
    for (const Worst& each : found) worst.keep_worst(each);

    std::printf("%llu mantissas\n", static_cast<unsigned long long>(mantissas));
    std::printf("below log2(x) by at most %.5Le, at mantissa %llu (bound %.5e)\n", worst.below,
                static_cast<unsigned long long>(worst.below_at), JSG_LOG2_ERROR);
    std::printf("above log2(x) by at most %.5Le, at mantissa %llu (bound %.5e)\n", worst.above,
                static_cast<unsigned long long>(worst.above_at), JSG_LOG2_EXCESS);
    std::printf("falls %llu times\n", static_cast<unsigned long long>(worst.falls));
    return worst.below <= JSG_LOG2_ERROR && worst.above <= JSG_LOG2_EXCESS && worst.falls == 0 ? 0
                                                                                               : 1;
}
