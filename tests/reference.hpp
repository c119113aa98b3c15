// SPDX-License-Identifier: BSD-2-Clause
// The same measures in long double, computed directly from their formulas. The fixed point is
// compared with them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>

namespace reference {

static_assert(std::numeric_limits<long double>::digits >= 64,
              "a plain double would be a reference only a little better than the fixed point");

using Counts = std::span<const std::uint32_t>;

inline std::uint64_t total(Counts counts) {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

/// p log2(p / m), or its limit where p is 0.
inline long double term(long double p, long double m) { return p > 0 ? p * std::log2(p / m) : 0; }

/// JS(p,q) = 1/2 sum p log2(p/m) + 1/2 sum q log2(q/m), m = (p+q)/2. The cells have this share of
/// q. The rest of q is in one more cell, in which p is 0.
inline long double js(Counts p_counts, Counts q_counts, long double share = 1) {
    const long double p_total = total(p_counts), q_total = total(q_counts);
    const long double rest = 1 - share;
    long double sum = term(rest, rest / 2);
    for (std::size_t i = 0; i < p_counts.size(); i++) {
        const long double p = p_counts[i] / p_total, q = q_counts[i] / q_total * share;
        const long double m = (p + q) / 2;
        sum += term(p, m) + term(q, m);
    }
    return sum / 2;
}

/// KL(p,q) = sum p log2(p/q). An infinite logarithm is replaced by cap_bits, and so is a larger
/// result.
inline long double kl(Counts p_counts, Counts q_counts, long double share, unsigned cap_bits) {
    const long double p_total = total(p_counts), q_total = total(q_counts);
    const long double cap = cap_bits;
    long double sum = share > 0 ? -std::log2(share) : cap;
    for (std::size_t i = 0; i < p_counts.size(); i++) {
        const long double p = p_counts[i] / p_total, q = q_counts[i] / q_total;
        sum += q > 0 ? term(p, q) : p * cap;
    }
    return std::min(sum, cap);
}

/// H(p) = sum p log2(1/p).
inline long double entropy(Counts counts) {
    const long double all = total(counts);
    long double sum = 0;
    for (const std::uint32_t count : counts) sum -= term(count / all, 1);
    return sum;
}

}  // namespace reference
