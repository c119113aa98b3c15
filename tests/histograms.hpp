// SPDX-License-Identifier: BSD-2-Clause
// Seeded pairs of histograms, and the results of the kernel's headers for them, compiled natively.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <ostream>
#include <random>
#include <tuple>
#include <vector>

#include "measures.h"
#include "reference.hpp"

enum class Shape {
    random,
    sparse,
    one_cell,
    equal,
    proportional,
    disjoint,
    one_apart,
    full,      // counts up to 2^32-1, totals of any size
    lopsided,  // counts of 1, and one count that makes the total 2^32
};
constexpr std::array shape_names{"random",    "sparse",           "one cell",
                                 "equal",     "proportional",     "disjoint",
                                 "one apart", "counts to 2^32-1", "lopsided"};

/// A window's counts, a baseline's, and the share that these cells have of the baseline.
struct Histograms {
    Shape shape = Shape::random;
    std::vector<std::uint32_t> p, q;
    std::uint64_t share_q32 = JSG_ONE_Q32;

    bool whole_baseline() const { return share_q32 == JSG_ONE_Q32; }

    /// Outside this domain a finite logarithm may exceed the cap, so KL has no stated error.
    bool in_kl_domain() const {
        constexpr std::uint64_t largest = std::uint64_t{1} << JSG_KL_CAP_BITS;
        return reference::total(p) <= largest && reference::total(q) <= largest;
    }
};

inline std::ostream& operator<<(std::ostream& out, const Histograms& pair) {
    out << shape_names[static_cast<std::size_t>(pair.shape)] << ", share " << pair.share_q32 << ':';
    for (std::size_t i = 0; i < pair.p.size(); i++) out << ' ' << pair.p[i] << '/' << pair.q[i];
    return out;
}

/// All fields of the measures. If a field is added or removed, this does not compile.
inline auto fields(const measures& found) {
    const auto& [sums, js, kl, entropy] = found;
    const auto& [p_total, q_total, log_p, log_q, share, js_sum, kl_sum, entropy_sum, cells] = sums;
    return std::make_tuple(p_total, q_total, log_p, log_q, share, js_sum, kl_sum, entropy_sum,
                           cells, js, kl, entropy);
}

inline bool operator==(const measures& a, const measures& b) { return fields(a) == fields(b); }

inline std::ostream& operator<<(std::ostream& out, const measures& found) {
    return out << "sums " << found.sums.js_q55 << ' ' << found.sums.kl_q54 << ' '
               << found.sums.entropy_q54 << ", nanobits " << found.js_nanobits << ' '
               << found.kl_nanobits << ' ' << found.entropy_nanobits;
}

inline measures measure(const Histograms& pair) {
    measures found{};
    jsg_comparison_begin(&found.sums, reference::total(pair.p), reference::total(pair.q),
                         pair.share_q32);
    for (std::size_t i = 0; i < pair.p.size(); i++)
        jsg_comparison_add(&found.sums, pair.p[i], pair.q[i]);
    measures__finish(&found);
    return found;
}

/// |fixed point - reference| in bits.
struct Errors {
    long double js = 0, kl = 0, kl_of_share = 0, entropy = 0;

    void keep_worst(const Errors& other) {
        js = std::max(js, other.js);
        kl = std::max(kl, other.kl);
        kl_of_share = std::max(kl_of_share, other.kl_of_share);
        entropy = std::max(entropy, other.entropy);
    }
};

inline Errors errors(const Histograms& pair, const measures& found) {
    const auto error = [](std::uint64_t nanobits, long double exact) {
        return std::abs(static_cast<long double>(nanobits) / JSG_NANO - exact);
    };
    const long double share = static_cast<long double>(pair.share_q32) / JSG_ONE_Q32;
    Errors result;
    result.js = error(found.js_nanobits, reference::js(pair.p, pair.q, share));
    if (pair.in_kl_domain())
        (pair.whole_baseline() ? result.kl : result.kl_of_share) =
            error(found.kl_nanobits, reference::kl(pair.p, pair.q, share, JSG_KL_CAP_BITS));
    result.entropy = error(found.entropy_nanobits, reference::entropy(pair.p));
    return result;
}

/// A share below 1 adds one logarithm.
constexpr double kl_of_share_error = JSG_KL_ERROR + JSG_LOG2_ERROR;

/// The first promise of the headers that the figures break, or nullptr.
inline const char* broken_promise(const Histograms& pair, const measures& found,
                                  const Errors& error) {
    if (error.js > JSG_JS_ERROR) return "the divergence is within JSG_JS_ERROR";
    if (error.kl > JSG_KL_ERROR || error.kl_of_share > kl_of_share_error)
        return "the KL divergence is within JSG_KL_ERROR";
    if (error.entropy > JSG_ENTROPY_ERROR) return "the entropy is within JSG_ENTROPY_ERROR";
    if (found.sums.js_q55 > std::int64_t{1} << (JSG_SUM_BITS + 1))
        return "the divergence is at most 1 before it is limited";
    if (found.js_nanobits > JSG_NANO) return "the divergence is at most 1";
    if (found.kl_nanobits > std::uint64_t{JSG_KL_CAP_BITS} * JSG_NANO)
        return "the KL divergence is at most its cap";
    if (found.sums.entropy_q54 < 0) return "the entropy is not negative";
    std::size_t cells = 0;
    for (std::size_t i = 0; i < pair.p.size(); i++) cells += pair.p[i] || pair.q[i];
    if (found.sums.cells != cells) return "the cells that either has counts in are counted";
    if (pair.whole_baseline()) {
        if (pair.shape == Shape::equal && (found.sums.js_q55 || found.sums.kl_q54))
            return "equal counts do not diverge";
        if (pair.shape == Shape::proportional && found.sums.js_q55)
            return "equal distributions of different totals do not diverge";
    }
    if (pair.shape == Shape::disjoint && found.js_nanobits != JSG_NANO)
        return "disjoint histograms diverge by exactly 1";
    return nullptr;
}

class HistogramMaker {
  public:
    explicit HistogramMaker(std::uint64_t seed) : random_(seed) {}

    /// A number of cells, 1..256. One call in sixteen gives 256. The others give small numbers more
    /// often.
    std::size_t cells() {
        if (below(16) == 0) return JSG_CELLS_MAX;
        return std::max<std::size_t>(1, below(std::uint64_t{1} << (1 + below(7))));
    }

    Shape shape() { return static_cast<Shape>(below(shape_names.size())); }

    /// Neither histogram is empty. Disjoint and lopsided ones have at least 2 cells.
    Histograms make(Shape shape, std::size_t cells) {
        if (shape == Shape::disjoint || shape == Shape::lopsided)
            cells = std::max<std::size_t>(cells, 2);
        Histograms pair;
        pair.shape = shape;
        pair.p.resize(cells);
        pair.q.resize(cells);
        fill(pair, shape);
        if (reference::total(pair.p) == 0) pair.p[below(cells)] = 1;
        if (reference::total(pair.q) == 0) pair.q[below(cells)] = 1;
        if (below(4) == 0) pair.share_q32 = below(JSG_ONE_Q32 + 1) >> below(32);
        return pair;
    }

  private:
    void fill(Histograms& pair, Shape shape) {
        const std::size_t cells = pair.p.size();
        // At most 2^24, so that the total of 256 counts is in the domain of KL.
        const std::uint64_t p_largest = std::uint64_t{1} << (1 + below(24));
        const std::uint64_t q_largest = std::uint64_t{1} << (1 + below(24));
        switch (shape) {
            case Shape::random:
                for (auto& count : pair.p) count = below(p_largest);
                for (auto& count : pair.q) count = below(q_largest);
                break;
            case Shape::sparse:
                for (auto& count : pair.p) count = below(8) ? 0 : below(p_largest);
                for (auto& count : pair.q) count = below(8) ? 0 : below(q_largest);
                break;
            case Shape::one_cell:
                pair.p[below(cells)] = 1 + below(largest_count);
                if (below(2)) {
                    pair.q[below(cells)] = 1 + below(largest_count);
                } else {
                    for (auto& count : pair.q) count = below(q_largest);
                }
                break;
            case Shape::equal:
                for (auto& count : pair.p) count = below(p_largest);
                pair.q = pair.p;
                if (reference::total(pair.p) == 0) pair.p[0] = pair.q[0] = 1;
                break;
            case Shape::proportional: {
                const std::uint64_t p_times = 1 + below(255), q_times = 1 + below(255);
                for (std::size_t i = 0; i < cells; i++) {
                    const std::uint64_t count = 1 + below(1 << 16);
                    pair.p[i] = count * p_times;
                    pair.q[i] = count * q_times;
                }
                break;
            }
            case Shape::disjoint:
                for (std::size_t i = 0; i < cells; i++)
                    (i == 0 || (i > 1 && below(2)) ? pair.p : pair.q)[i] = 1 + below(p_largest);
                break;
            case Shape::one_apart:
                for (auto& count : pair.p) count = below(p_largest);
                pair.q = pair.p;
                pair.q[below(cells)]++;
                break;
            case Shape::full:
                for (auto& count : pair.p) count = below(largest_count + 1) >> below(32);
                for (auto& count : pair.q) count = below(largest_count + 1) >> below(32);
                break;
            case Shape::lopsided: {
                std::fill(pair.p.begin(), pair.p.end(), 1);
                pair.p[below(cells)] = largest_count + 1 - (cells - 1);
                const std::uint64_t one = 1 + below(p_largest);
                for (auto& count : pair.q) count = one;
                break;
            }
        }
    }

    static constexpr std::uint64_t largest_count = std::numeric_limits<std::uint32_t>::max();

    /// A random number 0..bound-1. It is the same on every machine, unlike the standard's
    /// distributions.
    std::uint64_t below(std::uint64_t bound) {
        return static_cast<std::uint64_t>((static_cast<unsigned __int128>(random_()) * bound) >>
                                          64);
    }

    std::mt19937_64 random_;
};
