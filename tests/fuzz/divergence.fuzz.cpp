// SPDX-License-Identifier: BSD-2-Clause
// Compares divergence, KL divergence and entropy of two histograms in fixed point with long double:
// the bounds of docs/accuracy.md, and exact values.
#include <iostream>

#include "fuzz.hpp"
#include "tests/histograms.hpp"

namespace {

using Counts = std::vector<std::uint32_t>;

// The baseline's count of a cell, from the window's count.
std::uint32_t partner(fuzz::Numbers& numbers, std::uint64_t kind, std::uint32_t count) {
    switch (kind) {
        case 0:
            return count;
        case 1:
            return count ? 0 : numbers.word();
        case 2:
            return count + 1 - static_cast<std::uint32_t>(numbers.up_to(2));
        default:
            return numbers.word();
    }
}

bool are_disjoint(const Counts& p, const Counts& q) {
    for (std::size_t i = 0; i < p.size(); i++)
        if (p[i] && q[i]) return false;
    return true;
}

bool are_proportional(const Counts& p, const Counts& q) {
    const unsigned __int128 p_total = reference::total(p), q_total = reference::total(q);
    for (std::size_t i = 0; i < p.size(); i++)
        if (p[i] * q_total != q[i] * p_total) return false;
    return true;
}

// The shape that the histograms have. The promises of this shape must hold.
Shape shape_of(const Histograms& pair) {
    if (pair.p == pair.q) return Shape::equal;
    if (are_disjoint(pair.p, pair.q)) return Shape::disjoint;
    return are_proportional(pair.p, pair.q) ? Shape::proportional : Shape::random;
}

Histograms histograms(fuzz::Numbers& numbers) {
    Histograms pair;
    const std::size_t cells = numbers.from_to(1, JSG_CELLS_MAX);
    const std::uint64_t kind = numbers.up_to(5);
    const std::uint64_t p_times = numbers.from_to(1, 1 << 12), q_times = numbers.from_to(1, 255);
    if (numbers.up_to(1)) pair.share_q32 = numbers.up_to(JSG_ONE_Q32);
    for (std::size_t i = 0; i < cells; i++) {
        const std::uint32_t count = numbers.word();
        pair.p.push_back(kind == 4 ? static_cast<std::uint32_t>(count % 4096 * p_times) : count);
        pair.q.push_back(kind == 4 ? static_cast<std::uint32_t>(count % 4096 * q_times)
                                   : partner(numbers, kind == 5 ? numbers.up_to(3) : kind, count));
    }
    if (reference::total(pair.p) == 0) pair.p.front() = 1;
    if (reference::total(pair.q) == 0) pair.q.back() = 1;
    pair.shape = shape_of(pair);
    return pair;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FuzzedDataProvider input(data, size);
    fuzz::Numbers numbers(input);
    const Histograms pair = histograms(numbers);
    const measures found = measure(pair);
    if (const char* promise = broken_promise(pair, found, errors(pair, found))) {
        std::cerr << pair << "\n" << found << "\n";
        fuzz::broken(promise);
    }
    if (!pair.whole_baseline()) return 0;
    const Histograms swapped{pair.shape, pair.q, pair.p};
    fuzz::require(measure(swapped).sums.js_q55 == found.sums.js_q55,
                  "the divergence is the same in both directions");
    return 0;
}
