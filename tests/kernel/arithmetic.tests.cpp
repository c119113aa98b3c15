// SPDX-License-Identifier: BSD-2-Clause
// The arithmetic in BPF equals the native one bit for bit, and is within its error bounds of long
// double.
#include "arithmetic.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "arithmetic_bpf.skel.h"
#include "tests/catch_compat.hpp"
#include "tests/histograms.hpp"

namespace {

constexpr std::uint64_t seed = 20'260'101;
constexpr unsigned max_instructions = 20'000;  // for the verifier; the kernel's limit is a million

struct Destroy {
    void operator()(arithmetic_bpf* skeleton) const { arithmetic_bpf::destroy(skeleton); }
};
using Skeleton = std::unique_ptr<arithmetic_bpf, Destroy>;

Skeleton load() {
    Skeleton skeleton{arithmetic_bpf::open_and_load()};
    REQUIRE(skeleton);
    return skeleton;
}

void run(const bpf_program* program) {
    LIBBPF_OPTS(bpf_test_run_opts, options);
    REQUIRE(bpf_prog_test_run_opts(bpf_program__fd(program), &options) == 0);
    REQUIRE(static_cast<int>(options.retval) >= 0);
}

/// What one thread found in its slice of the pairs.
struct Findings {
    Errors worst;
    std::size_t of_all_cells = 0;  // pairs with the largest number of cells
    std::array<std::size_t, shape_names.size()> of_shape{};
    std::optional<std::string> first_broken;
};

void copy_into(const Histograms& pair, histogram_pair& target) {
    target.p_total = reference::total(pair.p);
    target.q_total = reference::total(pair.q);
    target.share_q32 = pair.share_q32;
    target.cells = pair.p.size();
    for (std::size_t i = 0; i < pair.p.size(); i++) target.counts[i] = {pair.p[i], pair.q[i]};
}

void check(const Histograms& pair, const measures& in_bpf, Findings& findings) {
    const measures native = measure(pair);
    const Errors error = errors(pair, in_bpf);
    findings.worst.keep_worst(error);
    findings.of_all_cells += pair.p.size() == JSG_CELLS_MAX;
    findings.of_shape[static_cast<std::size_t>(pair.shape)]++;
    const char* broken =
        in_bpf == native ? broken_promise(pair, in_bpf, error) : "BPF and native are equal";
    if (broken && !findings.first_broken) {
        std::ostringstream text;
        text << "broken: " << broken << "\nBPF " << in_bpf << "\nnative " << native << "\nerrors "
             << error.js << ' ' << error.kl << ' ' << error.kl_of_share << ' ' << error.entropy
             << "\n"
             << pair;
        findings.first_broken = text.str();
    }
}

/// Splits 0..count-1 into slices, and calls work(thread, first, last) for each on its own thread.
template <typename Work>
void on_all_cores(std::size_t threads, std::size_t count, Work work) {
    std::vector<std::thread> running;
    for (std::size_t i = 0; i < threads; i++)
        running.emplace_back(work, i, count * i / threads, count * (i + 1) / threads);
    for (std::thread& thread : running) thread.join();
}

void compare_divergences(std::size_t pairs_wanted) {
    const Skeleton skeleton = load();
    auto& bss = *skeleton->bss;
    const std::size_t threads = std::max(1U, std::thread::hardware_concurrency());
    std::vector<Findings> found(threads);
    std::vector<Histograms> pairs(HISTOGRAMS_A_RUN);
    std::size_t done = 0;

    const auto broken = [](const Findings& one) { return one.first_broken.has_value(); };

    for (; done < pairs_wanted && std::none_of(found.begin(), found.end(), broken);
         done += pairs.size()) {
        // A pair depends only on the seed and its number, and not on the number of cores.
        on_all_cores(threads, pairs.size(), [&](std::size_t, std::size_t first, std::size_t last) {
            for (std::size_t i = first; i < last; i++) {
                HistogramMaker maker(seed + done + i);
                pairs[i] = maker.make(maker.shape(), maker.cells());
                copy_into(pairs[i], bss.pairs[i]);
            }
        });
        bss.pair_count = pairs.size();
        run(skeleton->progs.measure_pairs);
        on_all_cores(threads, pairs.size(),
                     [&](std::size_t thread, std::size_t first, std::size_t last) {
                         for (std::size_t i = first; i < last; i++)
                             check(pairs[i], bss.results[i], found[thread]);
                     });
    }

    Findings all;
    for (const Findings& one : found) {
        INFO("seed " << seed << ", " << one.first_broken.value_or(""));
        REQUIRE_FALSE(broken(one));
        all.worst.keep_worst(one.worst);
        all.of_all_cells += one.of_all_cells;
        for (std::size_t i = 0; i < all.of_shape.size(); i++) all.of_shape[i] += one.of_shape[i];
    }
    CHECK(all.of_all_cells > pairs_wanted / 20);
    for (const std::size_t each : all.of_shape) CHECK(each > pairs_wanted / 20);
    std::cout << done << " pairs, " << all.of_all_cells << " of them with " << JSG_CELLS_MAX
              << " cells; worst errors in bits (and bounds):\n  JS " << all.worst.js << " ("
              << JSG_JS_ERROR << ")\n  KL " << all.worst.kl << " (" << JSG_KL_ERROR
              << "), from a share of a baseline " << all.worst.kl_of_share << " ("
              << kl_of_share_error << ")\n  entropy " << all.worst.entropy << " ("
              << JSG_ENTROPY_ERROR << ")\n";
}

}  // namespace

TEST_CASE("200,000 divergences in BPF are the native ones bit for bit and within their bounds",
          "[bpf][js][kl][entropy]") {
    compare_divergences(204'800);
}

TEST_CASE("a million divergences in BPF are the native ones bit for bit and within their bounds",
          "[bpf][js][kl][entropy][long]") {
    compare_divergences(1'000'000);
}

TEST_CASE("logarithms in BPF are the native ones bit for bit and within their bounds",
          "[bpf][log2]") {
    const Skeleton skeleton = load();
    auto& bss = *skeleton->bss;
    std::mt19937_64 random(seed);
    long double worst_below = 0, worst_above = 0;

    for (int pass = 0; pass < 4; pass++) {
        for (std::uint64_t i = 0; i < LOGARITHMS_A_RUN; i++) {
            // First both ends of every interval of the table, then numbers of every size.
            const std::uint64_t boundary =
                (std::uint64_t{1} << 31) + ((i / 2) << JSG_LOG2_OFFSET_BITS);
            bss.numbers[i] = pass == 0 && i < 2 << JSG_LOG2_INDEX_BITS ? boundary + (i & 1 ? -1 : 0)
                                                                       : random() >> (i % 64);
            if (bss.numbers[i] == 0) bss.numbers[i] = 1;
        }
        run(skeleton->progs.take_logarithms);
        for (std::size_t i = 0; i < LOGARITHMS_A_RUN; i++) {
            const std::uint64_t x = bss.numbers[i], found = bss.logarithms[i];
            const long double error = static_cast<long double>(found) / JSG_ONE_Q30 -
                                      std::log2(static_cast<long double>(x));
            worst_below = std::max(worst_below, -error);
            worst_above = std::max(worst_above, error);
            if (found != jsg_log2_q30(x) || error < -JSG_LOG2_ERROR || error > JSG_LOG2_EXCESS) {
                CAPTURE(seed, x, found, jsg_log2_q30(x), error);
                FAIL("not the native result, or out of bounds");
            }
        }
    }
    std::cout << 4 * LOGARITHMS_A_RUN << " logarithms; worst error in bits: " << worst_below
              << " below (bound " << JSG_LOG2_ERROR << "), " << worst_above << " above (bound "
              << JSG_LOG2_EXCESS << ")\n";
}

TEST_CASE("the verifier accepts the arithmetic with headroom", "[bpf][verifier]") {
    const Skeleton skeleton = load();
    bpf_program* program = nullptr;
    while ((program = bpf_object__next_program(skeleton->obj, program))) {
        bpf_prog_info info{};
        __u32 size = sizeof info;
        REQUIRE(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) == 0);
        CAPTURE(info.name);
        std::cout << info.name << ": verifier processed " << info.verified_insns
                  << " instructions\n";
        CHECK(info.verified_insns < max_instructions);
    }
}
