// SPDX-License-Identifier: BSD-2-Clause
// Every mantissa of jsg_log2_q30 against long double, on all cores; a tool, not part of ctest.
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
    long double under = 0, over = 0;
    std::uint64_t under_at = 0, over_at = 0;  // mantissas
    std::uint64_t falls = 0;                  // results that are less than the one before

    void keep_worst(const Worst& other) {
        if (other.under > under) under = other.under, under_at = other.under_at;
        if (other.over > over) over = other.over, over_at = other.over_at;
        falls += other.falls;
    }
};

/// A number's result less its exponent depends on its mantissa alone. The numbers of one mantissa
/// fill [mantissa, mantissa + 1), and the result must hold for the least of them and for the
/// largest, which comes as near to the next mantissa as one likes: so this covers every x
/// in 1..2^64-1.
Worst try_mantissas(std::uint64_t first, std::uint64_t last) {
    Worst worst;
    long double least = std::log2(static_cast<long double>(mantissas + first));
    std::uint64_t previous = 0;
    for (std::uint64_t mantissa = first; mantissa < last; mantissa++) {
        const std::uint64_t result = jsg_log2_q30(mantissas + mantissa);
        const long double bits = static_cast<long double>(result) / JSG_ONE_Q30;
        const long double largest = std::log2(static_cast<long double>(mantissas + mantissa + 1));
        if (largest - bits > worst.under) worst.under = largest - bits, worst.under_at = mantissa;
        if (bits - least > worst.over) worst.over = bits - least, worst.over_at = mantissa;
        worst.falls += result < previous;
        previous = result;
        least = largest;
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
    std::printf("under log2(x) by at most %.5Le, at mantissa %llu (bound %.5e)\n", worst.under,
                static_cast<unsigned long long>(worst.under_at), JSG_LOG2_ERROR);
    std::printf("over log2(x) by at most %.5Le, at mantissa %llu (bound %.5e)\n", worst.over,
                static_cast<unsigned long long>(worst.over_at), JSG_LOG2_EXCESS);
    std::printf("falls %llu times\n", static_cast<unsigned long long>(worst.falls));
    return worst.under <= JSG_LOG2_ERROR && worst.over <= JSG_LOG2_EXCESS && worst.falls == 0 ? 0
                                                                                              : 1;
}
