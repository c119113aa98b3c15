// SPDX-License-Identifier: BSD-2-Clause
// Tests of merging baseline files: exact sums, exact spreads, and what does not fit.
#include <cmath>
#include <cstring>
#include <random>

#include "baseline_samples.hpp"
#include "kernel/spread.h"
#include "offline/baseline/merge.hpp"
#include "tests/catch_compat.hpp"

using namespace jsguard;

namespace {

BaselineFile file_of(Baselines baselines, BaselineOrigin where = origin) {
    return {std::move(where), std::move(baselines)};
}

Baselines merged_baselines(const jsg_baseline& a, const jsg_baseline& b) {
    const BaselineFile files[] = {file_of({{80, a}}), file_of({{80, b}})};
    return merged(files).baselines;
}

}  // namespace

TEST_CASE("counts of the same port are added up, cell by cell", "[baseline_merge]") {
    const jsg_baseline a = full_baseline(1), b = full_baseline(7);
    const jsg_baseline both = merged_baselines(a, b).at(80);
    CHECK(both.learned_s == a.learned_s + b.learned_s);
    CHECK(both.queue_full_s == a.queue_full_s + b.queue_full_s);
    CHECK(both.exchanges == a.exchanges + b.exchanges);
    CHECK(both.transitions == a.transitions + b.transitions);
    CHECK(both.judged_socket_seconds == a.judged_socket_seconds + b.judged_socket_seconds);
    CHECK(both.waiting_socket_seconds == a.waiting_socket_seconds + b.waiting_socket_seconds);
    for (std::size_t cell = 0; cell < JSG_TRANSITION_CELLS; ++cell)
        REQUIRE(both.transition_counts[cell] ==
                a.transition_counts[cell] + b.transition_counts[cell]);
    for (std::size_t cell = 0; cell < JSG_PHASE_CELLS; ++cell)
        REQUIRE(both.occupancy_socket_seconds[cell] ==
                a.occupancy_socket_seconds[cell] + b.occupancy_socket_seconds[cell]);
    // The merged baseline can be written to a file and read again.
    CHECK_NOTHROW(baselines_from_json(baselines_to_json({{80, both}}, origin)));
}

TEST_CASE("the baseline of a port that only one file has is unchanged", "[baseline_merge]") {
    const BaselineFile files[] = {file_of({{80, full_baseline(1)}}),
                                  file_of({{443, full_baseline(2)}}),
                                  file_of({{80, full_baseline(3)}})};
    const Baselines all = merged(files).baselines;
    REQUIRE(all.size() == 2);
    const jsg_baseline alone = full_baseline(2);
    CHECK(std::memcmp(&all.at(443), &alone, sizeof(alone)) == 0);
    CHECK(all.at(80).learned_s == full_baseline(1).learned_s + full_baseline(3).learned_s);
    const BaselineFile one = merged(std::span(files).first(1));
    CHECK(std::memcmp(&one.baselines.at(80), &files[0].baselines.at(80), sizeof(alone)) == 0);
    CHECK_THROWS_AS(merged({}), Error);
}

TEST_CASE("a pooled spread is the spread of all windows together", "[baseline_merge]") {
    // Windows of 0.1 and 0.3, and of 0.5, 0.5, 0.5 and 0.9.
    const jsg_spread a = spread(2, 200'000'000, 100'000'000, 300'000'000);
    jsg_spread b{};
    for (const std::uint32_t js : {500'000'000, 500'000'000, 500'000'000, 900'000'000})
        jsg_spread_add(&b, js);
    jsg_spread all = b;
    for (const std::uint32_t js : {100'000'000, 300'000'000}) jsg_spread_add(&all, js);
    for (const jsg_spread& both : {pooled(a, b), pooled(b, a)}) {
        CHECK(both.windows == 6);
        CHECK(both.mean_nanobits == 466'666'666);
        CHECK(both.maximum_nanobits == 900'000'000);
        CHECK(both.deviation_nanobits == 242'670'329);  // sqrt(0.53 / 9), nearly
        // `all` is of divergences that are cut to millionths first.
        CHECK(std::abs(static_cast<double>(both.deviation_nanobits) - all.deviation_nanobits) <
              JSG_NANO_IN_MICRO);
        CHECK(both.sum_microbits == 0);
        CHECK(both.sum_of_squares == 0);
    }
}

TEST_CASE("a spread pooled with nothing is itself, to the last digit", "[baseline_merge]") {
    std::mt19937 random(3);
    const auto nanobits = [&] { return static_cast<std::uint32_t>(random() % (JSG_NANO + 1)); };
    for (int i = 0; i < 1000; ++i) {
        const jsg_spread one =
            spread(1 + random() % UINT32_MAX, nanobits(), nanobits(), nanobits());
        const jsg_spread both = pooled(one, jsg_spread{}), again = pooled(jsg_spread{}, one);
        REQUIRE(std::memcmp(&both, &one, sizeof(one)) == 0);
        REQUIRE(std::memcmp(&again, &one, sizeof(one)) == 0);
    }
    const jsg_spread none = pooled(jsg_spread{}, jsg_spread{});
    CHECK((none.windows == 0 && none.mean_nanobits == 0 && none.deviation_nanobits == 0));
    // The largest possible spread.
    const jsg_spread largest = spread(UINT32_MAX, JSG_NANO, JSG_NANO, JSG_NANO);
    CHECK(pooled(largest, jsg_spread{}).deviation_nanobits == JSG_NANO);
}

TEST_CASE("a spread pooled from many spreads can be written and read again", "[baseline_merge]") {
    std::mt19937 random(5);
    for (int i = 0; i < 300; ++i) {
        jsg_baseline all = full_baseline(1);
        all.learned_s = UINT32_MAX;
        const std::uint32_t largest =
            static_cast<std::uint32_t>(random() % JSG_NANO >> random() % 30);
        for (int file = 0; file < 20; ++file) {
            jsg_spread one{};
            for (std::uint32_t window = random() % 30; window > 0; --window)
                jsg_spread_add(&one, random() % 2 * largest);
            one.sum_microbits = one.sum_of_squares = 0;
            all.spread[JSG_OCCUPANCY] = file ? pooled(all.spread[JSG_OCCUPANCY], one) : one;
        }
        CAPTURE(i, largest);
        REQUIRE_NOTHROW(baselines_from_json(baselines_to_json({{80, all}}, origin)));
    }
}

TEST_CASE("totals of more than 32 bits are refused, and the message names the total",
          "[baseline_merge]") {
    const std::string tried =
        "cannot merge the baselines of port 80: together they have more than "
        "4294967295 ";
    const auto refusal_with = [&](auto change) {
        jsg_baseline large = full_baseline(1);
        change(large);
        return refusal([&] { merged_baselines(large, full_baseline(2)); });
    };
    const auto refused = [&](const char* what, auto change) {
        CAPTURE(what);
        CHECK(refusal_with(change) == tried + what + "; leave a file out");
    };
    const jsg_baseline other = full_baseline(2);
    refused("transitions", [&](auto& b) { b.transitions = UINT32_MAX - other.transitions + 1; });
    refused("exchanges", [&](auto& b) { b.exchanges = UINT32_MAX - other.exchanges + 1; });
    refused("seconds of learning",
            [&](auto& b) { b.learned_s = UINT32_MAX - other.learned_s + 1; });
    // Each part fits, but not both together.
    refused("socket-seconds", [&](auto& b) {
        b.judged_socket_seconds = UINT32_MAX / 2;
        b.waiting_socket_seconds = UINT32_MAX / 2;
    });
    refused("windows of a spread",
            [](auto& b) { b.spread[JSG_TRANSITIONS].windows = UINT32_MAX - 10; });
    CHECK(refusal_with([&](auto& b) { b.exchanges = UINT32_MAX - other.exchanges; }).empty());
}

TEST_CASE("hosts and kernels are joined, each once, the time is the latest", "[baseline_merge]") {
    const jsg_baseline baseline = full_baseline(1);
    const BaselineFile files[] = {file_of({{80, baseline}}, {"web1", "6.18.0", 200}),
                                  file_of({{80, baseline}}, {"web2", "6.18.0", 300}),
                                  file_of({{80, baseline}}, {"web1", "6.1.0", 100})};
    const BaselineFile all = merged(files);
    CHECK(all.origin.host == "web1, web2");
    CHECK(all.origin.kernel == "6.18.0, 6.1.0");
    CHECK(all.origin.unix_ms == 300);
    const BaselineFile more[] = {all, files[1], file_of({{80, baseline}}, {"", "", 0})};
    CHECK(merged(more).origin.host == "web1, web2");
    CHECK(merged(more).origin.kernel == "6.18.0, 6.1.0");
}

TEST_CASE("baselines learned with different steps are not merged", "[baseline_merge]") {
    BaselineFile files[] = {file_of({{80, full_baseline(1)}}), file_of({{81, full_baseline(1)}})};
    files[1].origin.step_s = 5;
    CHECK(contains(refusal([&] { merged(files); }), "steps of 1 s and of 5 s"));
}
