// SPDX-License-Identifier: BSD-2-Clause
// Tests of the first and the last line of a run of jsguard-load.
#include "load/run_lines.hpp"

#include <vector>

#include "tests/catch_compat.hpp"
#include "texts.hpp"

using namespace jsguard;

namespace {

// Each counter of losses has its own number.
jsg_stats all_losses() {
    jsg_stats stats{};
    stats.unknown_states = 11;
    stats.services_refused = 12;
    stats.sockets_untracked = 13;
    stats.transitions_late = 14;
    stats.alerts_lost = 15;
    stats.windows_lost = 16;
    stats.steps_late = 17;
    stats.sources_lost = 18;
    stats.baselines_lost = 19;
    return stats;
}

}  // namespace

TEST_CASE("the first line states what is monitored and how", "[run_lines]") {
    Options options;
    options.ports = {80, 443};
    options.transition_threshold_nanobits = 250'000'000;
    CHECK(start_line(options, options.ports) ==
          "monitoring ports 80, 443: threshold 0.12 bits for occupancy, 0.25 bits for transitions; "
          "window 10 s, step 1 s; learning for 60 s");
    const std::vector<std::uint16_t> one = {80};
    options.ports = one;
    CHECK(contains(start_line(options, one), "monitoring port 80: "));
}

TEST_CASE("the first line states which threshold is from the spread", "[run_lines]") {
    Options options;
    options.occupancy_threshold_nanobits = 0;
    CHECK(contains(start_line(options, {}),
                   ": threshold from the spread for occupancy, 0.12 bits for transitions; "));
    options.transition_threshold_nanobits = 0;
    CHECK(contains(start_line(options, {}),
                   ": threshold from the spread for occupancy, from the spread for transitions; "));
}

TEST_CASE("the first line states the network namespace", "[run_lines]") {
    Options options;
    CHECK_FALSE(contains(start_line(options, {}), "namespace"));
    options.netns = "/run/netns/web";
    CHECK(contains(start_line(options, {}),
                   "monitoring every port with an accepted connection (none yet) in the "
                   "network namespace /run/netns/web: threshold "));
    options.netns = "two\nlines";
    CHECK(contains(start_line(options, {}), " in the network namespace two?lines: "));
}

TEST_CASE("the first line lists the ports with connections", "[run_lines]") {
    Options options;
    CHECK(contains(start_line(options, {}),
                   "monitoring every port with an accepted connection (none yet): "));
    options.excluded_ports = {22, 25};
    const std::vector<std::uint16_t> now = {80, 443};
    CHECK(contains(
        start_line(options, now),
        "monitoring every port with an accepted connection except 22, 25 (now 80, 443): "));
}

TEST_CASE("the first line states which ports need not learn", "[run_lines]") {
    Options options;
    options.ports = {80, 443};
    CHECK(contains(start_line(options, options.ports, 1),
                   "; 1 of 2 ports from their baseline, learning for 60 s for the others"));
    CHECK(contains(start_line(options, options.ports, 2), "; from the baseline"));
    options.ports.clear();
    CHECK(contains(start_line(options, {}, 1),
                   "; 1 saved baseline, learning for 60 s on other ports"));
}

TEST_CASE("the summary states that nothing was lost", "[run_lines]") {
    jsg_stats stats{};
    stats.windows = 1234;
    stats.transitions = 1;
    stats.not_enough_traffic = 56;
    CHECK(
        summary_line(stats) ==
        "1234 windows (56 verdicts without enough traffic), 1 transition, 0 alerts; nothing lost");
    stats.not_enough_traffic = 1;
    CHECK(contains(summary_line(stats), " (1 verdict without enough traffic), "));
}

TEST_CASE("the summary names every loss", "[run_lines]") {
    const std::string line = summary_line(all_losses());
    for (const char* part :
         {"11 transitions of unknown states", "12 ports not monitored at first",
          "13 sockets never sampled", "15 alerts (the ring buffer was full)", "16 window records",
          "17 steps that came late", "18 sources or ends of connections not counted",
          "19 baselines of ports that lost their service entries"}) {
        CAPTURE(part);
        CHECK(contains(line, part));
    }
    CHECK_FALSE(contains(line, "nothing lost"));
    CHECK_FALSE(contains(line, "14"));  // late is not lost
}

TEST_CASE("the summary leaves out what was not lost", "[run_lines]") {
    jsg_stats stats{};
    stats.alerts_lost = 1;
    CHECK(summary_line(stats) ==
          "0 windows (0 verdicts without enough traffic), 0 transitions, 0 alerts; lost or left "
          "out: 1 alert (the ring buffer was "
          "full)");
    stats = {};
    stats.sources_lost = 1;
    CHECK(contains(summary_line(stats),
                   "; lost or left out: 1 source or end of a connection not "
                   "counted"));
}
