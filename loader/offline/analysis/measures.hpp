// SPDX-License-Identifier: BSD-2-Clause
// Measures of the distance between two distributions, in double precision.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace jsguard {

// The distance of a sample p from a reference q. hellinger and total_variation have no unit. The
// other measures have the unit of the logarithm.
enum class Measure : std::uint8_t {
    js,
    kl,          // of p from q; infinite if a cell has p > 0 and q = 0
    reverse_kl,  // of q from p
    hellinger,
    total_variation,
    entropy_difference,  // |entropy of p - entropy of q|
};
constexpr std::size_t measures = 6;
using MeasuredValues = std::array<double, measures>;  // index: Measure

// "JS", "KL", "reverse KL", "Hellinger", "total variation", "entropy difference"
std::string_view measure_name(Measure measure);
// "js", "kl", "reverse_kl", "hellinger", "total_variation", "entropy_difference"
std::string_view measure_key(Measure measure);

enum class LogarithmUnit : std::uint8_t { bits, nats };
std::string_view unit_name(LogarithmUnit unit);
// Whether the measure is a sum of logarithms. Other measures are the same in bits and in nats.
bool has_unit(Measure measure);

// The probability of each cell: not negative, and the sum is 1 except for rounding.
using ProbabilityVector = std::vector<double>;

// Counts divided by their sum. Empty if the sum is 0, because there is no distribution then.
ProbabilityVector probability_vector(std::span<const std::uint32_t> counts);

// Domain of all functions below: p and q are ProbabilityVectors of the same length. A term with p =
// 0 or q = 0 is its limit. Rounding errors are under 1e-13 for 256 cells. Results are always inside
// their range.

// Jensen-Shannon divergence in bits, 0 to 1: 1/2 sum p log2(p/m) + 1/2 sum q log2(q/m) with
// m = (p+q)/2 (Lin 1991, IEEE Trans. Inf. Theory 37(1)).
double js_divergence(std::span<const double> p, std::span<const double> q);

// Kullback-Leibler divergence of p from q in bits, 0 to infinity: sum p log2(p/q). Infinite if a
// cell has q = 0 and p > 0 (Kullback and Leibler 1951, Ann. Math. Stat. 22(1)).
double kl_divergence(std::span<const double> p, std::span<const double> q);

// Hellinger distance, 0 to 1, no unit: sqrt(1/2 sum (sqrt p - sqrt q)^2) (Hellinger 1909, J. reine
// angew. Math. 136; in this form Le Cam 1986).
double hellinger_distance(std::span<const double> p, std::span<const double> q);

// Total variation distance, 0 to 1, no unit: 1/2 sum |p - q|, the largest difference of the
// probabilities of any set of cells (Levin, Peres and Wilmer 2009, Markov Chains and Mixing Times,
// section 4.1).
double total_variation_distance(std::span<const double> p, std::span<const double> q);

// Shannon entropy in bits, 0 to log2 of the number of cells: sum p log2(1/p) (Shannon 1948, Bell
// Syst. Tech. J. 27(3)).
double entropy(std::span<const double> p);

// All measures of the distance of p from q.
MeasuredValues measure_all(std::span<const double> p, std::span<const double> q,
                           LogarithmUnit unit = LogarithmUnit::bits);

}  // namespace jsguard
