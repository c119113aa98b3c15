// SPDX-License-Identifier: BSD-2-Clause
// Tests of the text and the JSON that show baselines, with numbers known by hand.
#include "baseline_samples.hpp"
#include "offline/baseline/distribution.hpp"
#include "offline/baseline/show.hpp"
#include "tests/catch_compat.hpp"
#include "tests/reference.hpp"

using namespace jsguard;

namespace {

// 200 transitions, 120 socket-seconds and 60 exchanges in 60 s.
BaselineFile known_file() {
    ordered_json file = sound_file();
    file["host"] = "web1";
    file["kernel"] = "6.18.0";
    file["time"] = "2026-01-02T03:04:05.678+00:00";
    service(file)["exchanges"] = 60;
    service(file)["accept_queue_full_s"] = 3;
    service(file)["transition_counts"] = {
        {"LISTEN->SYN_RECV", 50}, {"SYN_RECV->ESTABLISHED", 50}, {"ESTABLISHED->FIN_WAIT1", 100}};
    service(file)["occupancy_socket_seconds"] = {{"request moving <1s", 90}, {"waiting <1s", 30}};
    service(file)["divergence_while_learning"] = sound_spread();
    return baseline_file_from_json(file.dump());
}

}  // namespace

TEST_CASE("a baseline is shown in totals, rates, spread and cells", "[baseline_show]") {
    CHECK(baselines_text(known_file()) ==
          R"(learned on web1, kernel 6.18.0, 2026-01-02T03:04:05.678+00:00, steps of 1 s

port 8080: learned for 60 s, in 3 of them an accept queue was full
  transitions                        200         3.333 a second
  exchanges                           60         1.000 a second
  socket-seconds                     120         2.000 open on average, not idle
  episodes                           120
  divergence while learning  windows        mean   deviation     maximum  auto threshold
    transitions                   40    0.010000    0.002000    0.020000        0.070000
    occupancy                     51    0.250000    0.000000    1.000000        0.950000
  transitions: 3 cells, entropy 1.500000 bits
    ESTABLISHED->FIN_WAIT1                   100    50.00 %
    SYN_RECV->ESTABLISHED                     50    25.00 %
    LISTEN->SYN_RECV                          50    25.00 %
  occupancy: 2 cells, entropy 0.811278 bits
    request moving <1s                        90    75.00 %
    waiting <1s                               30    25.00 %
)");
}

TEST_CASE("with too few windows the automatic threshold is the default", "[baseline_show]") {
    BaselineFile file = known_file();
    file.baselines.at(8080).spread[JSG_TRANSITIONS].windows = 9;
    CHECK(contains(baselines_text(file), "0.120000 (default)\n"));
    CHECK_FALSE(contains(baselines_text(known_file()), "default"));
}

TEST_CASE("of many cells the largest are shown, and the rest as one sum", "[baseline_show]") {
    const std::string text = baselines_text({origin, {{80, full_baseline(1)}}});
    // The counts are 1, 4, 7, ... The largest 8 of 196 are shown, so the sum is of the others.
    std::uint64_t rest = 0;
    for (std::uint64_t cell = 0; cell < JSG_TRANSITION_CELLS - 8; ++cell) rest += 1 + 3 * cell;
    CHECK(contains(text, fmt::format("    {:<32}{:>12}", "188 more", rest)));
    CHECK(contains(text, "transitions: 196 cells"));
}

TEST_CASE("unknown parts of a file's origin are shown as unknown", "[baseline_show]") {
    CHECK(contains(baselines_text(baseline_file_from_json(sound_file().dump())),
                   "learned on unknown, kernel unknown, at an unknown time, steps of 1 s"));
    BaselineOrigin odd = origin;
    odd.host = "two\nlines";
    CHECK(contains(origin_text(odd), "two?lines"));
}

TEST_CASE("a baseline as JSON has the same numbers", "[baseline_show]") {
    const auto json = ordered_json::parse(baselines_measures_json(known_file()));
    CHECK(json["time"] == "2026-01-02T03:04:05.678+00:00");
    CHECK(json["host"] == "web1");
    CHECK(json["step_s"] == 1);
    const auto& one = json["services"]["8080"];
    CHECK(one["transitions"] == 200);
    CHECK(one["transitions_per_s"] == 3.333);
    CHECK(one["exchanges_per_s"] == 1.0);
    CHECK(one["socket_seconds"] == 120);
    CHECK(one["open_sockets"] == 2.0);
    CHECK(one["episodes"] == 120);
    CHECK(one["accept_queue_full_s"] == 3);
    const auto& transitions = one["transitions_distribution"];
    CHECK(transitions["entropy_bits"] == 1.5);
    CHECK(transitions["cells"].size() == 3);
    CHECK(transitions["cells"][0].dump() ==
          R"({"cell":"ESTABLISHED->FIN_WAIT1","count":100,"share":0.5})");
    CHECK(transitions["divergence_while_learning"]["auto_threshold_bits"] == 0.07);
    CHECK(one["occupancy_distribution"]["cells"].size() == 2);
}

TEST_CASE("an unknown time is null in JSON", "[baseline_show]") {
    const BaselineFile file = baseline_file_from_json(sound_file().dump());
    const auto json = ordered_json::parse(baselines_measures_json(file));
    REQUIRE(json.contains("time"));
    CHECK(json["time"].is_null());
}

TEST_CASE("one port can be shown alone, and must be in the file", "[baseline_show]") {
    const BaselineFile file{origin, {{80, full_baseline(0)}, {443, full_baseline(1)}}};
    CHECK(only_port(file, {}, "b.json").baselines.size() == 2);
    const BaselineFile one = only_port(file, 443, "b.json");
    REQUIRE(one.baselines.size() == 1);
    CHECK(one.baselines.begin()->first == 443);
    CHECK(one.origin.host == "web1");
    CHECK(refusal([&] { only_port(file, 8080, "b.json"); }) ==
          "b.json has no baseline of port 8080; it has 80, 443");
}

TEST_CASE("entropy is that of the reference within its bound", "[baseline_show]") {
    const jsg_baseline baseline = full_baseline(3);
    for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY}) {
        const Distribution one = distribution_of(baseline, signal);
        const auto exact = static_cast<double>(reference::entropy(one.counts));
        CHECK(static_cast<double>(entropy_nanobits(one)) / JSG_NANO ==
              Approx(exact).epsilon(0).margin(1e-7));
    }
    CHECK(entropy_nanobits(distribution_of(jsg_baseline{}, JSG_TRANSITIONS)) == 0);
}
