// SPDX-License-Identifier: BSD-2-Clause
// bench-maths: runs the detector's arithmetic natively, so that callgrind can count its
// instructions.
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "kernel/comparison.h"
#include "kernel/jsguard.h"
#include "kernel/log2.h"
#include "kernel/occupancy.h"
#include "kernel/significance.h"

// callgrind counts these functions by name, so they are neither inlined nor mangled.
extern "C" {

[[gnu::noipa]] std::uint64_t logarithms(const std::vector<std::uint64_t>& numbers) {
    std::uint64_t sum = 0;
    for (const std::uint64_t number : numbers) sum += jsg_log2_q30(number);
    return sum;
}

[[gnu::noipa]] std::uint64_t divergence(const std::vector<std::uint32_t>& p,
                                        const std::vector<std::uint32_t>& q) {
    std::uint64_t p_total = 0, q_total = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
        p_total += p[i];
        q_total += q[i];
    }
    jsg_comparison comparison;
    jsg_comparison_begin(&comparison, p_total, q_total, 0);
    for (std::size_t i = 0; i < p.size(); ++i) jsg_comparison_add(&comparison, p[i], q[i]);
    return jsg_js_nanobits(comparison.js_q55) + jsg_comparison_kl_nanobits(&comparison) +
           jsg_entropy_nanobits(comparison.entropy_q54);
}

[[gnu::noipa]] std::uint64_t chance(std::uint32_t cells, std::uint64_t window_milli,
                                    std::uint64_t baseline_milli, std::uint32_t exponent) {
    return jsg_significance_nanobits(cells, window_milli, baseline_milli, exponent);
}

[[gnu::noipa]] std::uint64_t looks(std::vector<jsg_last_sample>& all, const jsg_tcp& tcp,
                                   std::uint32_t now_ms) {
    std::uint64_t sum = 0;
    for (jsg_last_sample& last : all) sum += jsg_sample_socket(&last, &tcp, now_ms, 512).cell;
    return sum;
}
}

int main() {
    std::mt19937 random(1);
    std::vector<std::uint64_t> numbers;
    for (int i = 0; i < 1000; ++i) numbers.push_back(1 + (random() >> (i % 31)));
    std::vector<std::uint32_t> p, q;
    for (int i = 0; i < JSG_TRANSITION_CELLS; ++i) {
        p.push_back(random() % 1000);
        q.push_back(random() % 1000);
    }
    std::vector<jsg_last_sample> all(1000);
    jsg_tcp tcp{};
    tcp.state = JSG_TCP_ESTABLISHED;
    tcp.bytes_received = 100;
    for (jsg_last_sample& last : all) jsg_begin_sampling(&last, &tcp, 1, 0, 0);
    std::uint64_t sum =
        logarithms(numbers) + divergence(p, q) + chance(JSG_PHASE_CELLS, 1'000'000, 30'000'000, 6);
    for (std::uint32_t now_ms = 1000; now_ms <= 10'000; now_ms += 1000) {
        tcp.bytes_received += 1000;
        sum += looks(all, tcp, now_ms);
    }
    // The sum is printed so that the compiler leaves nothing out.
    std::printf("%llu\n", static_cast<unsigned long long>(sum));
}
