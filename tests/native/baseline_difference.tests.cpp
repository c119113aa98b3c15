// SPDX-License-Identifier: BSD-2-Clause
// Tests of the difference of two baselines, against numbers known by hand and the reference.
#include <cmath>
#include <random>

#include "baseline_samples.hpp"
#include "kernel/js_divergence.h"
#include "offline/baseline/difference.hpp"
#include "tests/catch_compat.hpp"
#include "tests/reference.hpp"

using namespace jsguard;

namespace {

// A baseline with half a socket open, at 500 / 60 exchanges a second.
jsg_baseline usual() { return baselines_from_json(sound_file().dump()).at(8080); }

// Twice the exchanges of usual() in half the time, so four times the rate. All transitions are in
// one of the two cells of usual().
jsg_baseline changed() {
    ordered_json file = sound_file();
    service(file)["learned_s"] = 30;
    service(file)["exchanges"] = 1000;
    service(file)["transition_counts"] = {{"LISTEN->SYN_RECV", 100}};
    service(file)["occupancy_socket_seconds"] = {{"half closed <1s", 90}};
    return baselines_from_json(file.dump()).at(8080);
}

}  // namespace

TEST_CASE("equal baselines are 0 bits apart, ones with no common cell 1 bit", "[baseline_diff]") {
    const FileDifference same = difference_of({{80, usual()}}, {{80, usual()}});
    REQUIRE(same.ports.size() == 1);
    CHECK(same.ports[0].transitions.js_nanobits == 0);
    CHECK(same.ports[0].transitions.cells.empty());
    CHECK(largest_nanobits(same) == 0);
    const FileDifference other = difference_of({{80, usual()}}, {{80, changed()}});
    // JS of (1/2, 1/2) and (1, 0) is (3/4) log2(4/3).
    CHECK(other.ports[0].transitions.js_nanobits / double{JSG_NANO} ==
          Approx(0.75 * std::log2(4.0 / 3)).epsilon(0).margin(JSG_JS_ERROR));
    CHECK(other.ports[0].occupancy.js_nanobits == JSG_NANO);
    CHECK(largest_nanobits(other) == JSG_NANO);
}

TEST_CASE("a difference is reported as rates, cells and expected sockets", "[baseline_diff]") {
    const FileDifference all =
        difference_of({{80, usual()}, {81, usual()}}, {{80, changed()}, {443, usual()}});
    CHECK(difference_text(all, "a.json", "b\n.json") == R"(A: a.json
B: b?.json

port 80: transitions 0.311278 bits apart, occupancy 1.000000 bits apart
                                                 A           B
  transitions a second                       1.666       3.333
  exchanges a second                         8.333      33.333
  sockets open, not idle                     0.500       3.000
  A's expectation at these exchanges         0.500       2.000
  transitions                                    A           B        bits
    SYN_RECV->ESTABLISHED                  50.00 %      0.00 %    0.250000
    LISTEN->SYN_RECV                       50.00 %    100.00 %    0.061278
  occupancy                                      A           B        bits
    half closed <1s                         0.00 %    100.00 %    0.500000
    request moving <1s                     96.67 %      0.00 %    0.483333
    waiting <1s                             3.33 %      0.00 %    0.016667

only A has port 81

only B has port 443
)");
}

TEST_CASE("the divergence is that of the reference, and its cells add up to it",
          "[baseline_diff]") {
    std::mt19937 random(5);
    for (int i = 0; i < 50; ++i) {
        jsg_baseline a = full_baseline(1);
        jsg_baseline b = full_baseline(2);
        for (std::uint32_t cell = 0; cell < JSG_TRANSITION_CELLS; ++cell) {
            b.transitions -= b.transition_counts[cell];
            b.transition_counts[cell] = random() % 3 ? 0 : random() % 1000;
            b.transitions += b.transition_counts[cell];
        }
        const Divergence found =
            divergence(distribution_of(b, JSG_TRANSITIONS), distribution_of(a, JSG_TRANSITIONS));
        const auto exact =
            static_cast<double>(reference::js(b.transition_counts, a.transition_counts));
        CHECK(found.js_nanobits / double{JSG_NANO} == Approx(exact).epsilon(0).margin(1e-7));
        std::uint64_t sum = 0;
        for (const jsg_top_cell& cell : found.cells) sum += cell.nanobits;
        CHECK(static_cast<double>(sum) ==
              Approx(found.js_nanobits).epsilon(0).margin(JSG_TRANSITION_CELLS));
        CHECK(std::is_sorted(found.cells.begin(), found.cells.end(),
                             [](auto& one, auto& next) { return one.nanobits > next.nanobits; }));
    }
}

TEST_CASE("of files without a common port only the ports are listed", "[baseline_diff]") {
    const FileDifference none = difference_of({{80, usual()}, {82, usual()}}, {{81, usual()}});
    CHECK(none.ports.empty());
    CHECK(largest_nanobits(none) == 0);
    CHECK(difference_text(none, "a", "b") ==
          "A: a\nB: b\n\nonly A has ports 80, 82\n\nonly B has port 81\n");
}
