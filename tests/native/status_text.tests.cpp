// SPDX-License-Identifier: BSD-2-Clause
// Tests of what jsguard-load says of itself: its first line, its learning, and its summary.
#include <vector>

#include "common/alert_text.hpp"
#include "kernel/significance.h"
#include "tests/catch_compat.hpp"
#include "texts.hpp"

using namespace jsguard;

namespace {

// Each counter of losses has a number of its own.
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
    return stats;
}

}  // namespace

TEST_CASE("the first line says what is monitored and how", "[alert_text]") {
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

TEST_CASE("the first line says which threshold is from the spread", "[alert_text]") {
    Options options;
    options.occupancy_threshold_nanobits = 0;
    CHECK(contains(start_line(options, {}),
                   ": threshold from the spread for occupancy, 0.12 bits for transitions; "));
    options.transition_threshold_nanobits = 0;
    CHECK(contains(start_line(options, {}),
                   ": threshold from the spread for occupancy, from the spread for transitions; "));
}

TEST_CASE("the first line says in which network namespace", "[alert_text]") {
    Options options;
    CHECK_FALSE(contains(start_line(options, {}), "namespace"));
    options.netns = "/run/netns/web";
    CHECK(contains(start_line(options, {}),
                   "monitoring every listening port (none now) in the "
                   "network namespace /run/netns/web: threshold "));
    options.netns = "two\nlines";
    CHECK(contains(start_line(options, {}), " in the network namespace two?lines: "));
}

TEST_CASE("the first line says which listening ports there are", "[alert_text]") {
    Options options;
    CHECK(contains(start_line(options, {}), "monitoring every listening port (none now): "));
    options.excluded_ports = {22, 25};
    const std::vector<std::uint16_t> now = {80, 443};
    CHECK(contains(start_line(options, now),
                   "monitoring every listening port but 22, 25 (now 80, 443): "));
}

TEST_CASE("the first line says who need not learn", "[alert_text]") {
    Options options;
    options.ports = {80, 443};
    CHECK(contains(start_line(options, options.ports, 1),
                   "; 1 of 2 ports from their baseline, learning for 60 s for the others"));
    CHECK(contains(start_line(options, options.ports, 2), "; from the baseline"));
}

TEST_CASE("the summary says that nothing was lost", "[alert_text]") {
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

TEST_CASE("the summary names every loss", "[alert_text]") {
    const std::string line = summary_line(all_losses());
    for (const char* part :
         {"11 transitions of unknown states", "12 listening ports not monitored",
          "13 sockets never sampled", "15 alerts (the ring buffer was full)", "16 window records",
          "17 steps that came late", "18 sources that gave way while they were counted"}) {
        CAPTURE(part);
        CHECK(contains(line, part));
    }
    CHECK_FALSE(contains(line, "nothing lost"));
    CHECK_FALSE(contains(line, "14"));  // late is not lost
}

TEST_CASE("the summary leaves out what was not lost", "[alert_text]") {
    jsg_stats stats{};
    stats.alerts_lost = 1;
    CHECK(summary_line(stats) ==
          "0 windows (0 verdicts without enough traffic), 0 transitions, 0 alerts; lost or left "
          "out: 1 alert (the ring buffer was "
          "full)");
    stats = {};
    stats.sources_lost = 1;
    CHECK(contains(summary_line(stats),
                   "; lost or left out: 1 source that gave way while it was "
                   "counted"));
}

TEST_CASE("what a baseline still lacks is said with what it has", "[alert_text]") {
    jsg_baseline pending_baseline{};
    pending_baseline.learned_s = 60;
    CHECK(
        lacking_text(pending_baseline, 1) ==
        "0 of 100 transitions, 0 of 30 socket-seconds, 0 of 20 episodes (a connection in a phase)");
    CHECK_FALSE(jsg_baseline_suffices(&pending_baseline, 1));
    pending_baseline.transitions = 99;
    pending_baseline.judged_socket_seconds = 20;
    pending_baseline.waiting_socket_seconds = 9;
    pending_baseline.occupancy_socket_seconds[occupancy(JSG_REQUEST_MOVING, 0)] = 19;
    pending_baseline.occupancy_socket_seconds[occupancy(JSG_REQUEST_MOVING, 1)] = 10;
    CHECK(lacking_text(pending_baseline, 1) ==
          "99 of 100 transitions, 29 of 30 socket-seconds, 19 of 20 episodes (a connection in a "
          "phase)");
    pending_baseline.transitions = 100;
    CHECK(lacking_text(pending_baseline, 1) ==
          "29 of 30 socket-seconds, 19 of 20 episodes (a connection in a phase)");
    pending_baseline.waiting_socket_seconds = 10;
    CHECK(jsg_baseline_complete(&pending_baseline));
    CHECK_FALSE(jsg_baseline_suffices(&pending_baseline, 1));
    CHECK(lacking_text(pending_baseline, 1) == "19 of 20 episodes (a connection in a phase)");
    pending_baseline.occupancy_socket_seconds[occupancy(JSG_WAITING, 0)] = 1;
    CHECK(lacking_text(pending_baseline, 1).empty());
    CHECK(jsg_baseline_suffices(&pending_baseline, 1));
    pending_baseline.transitions = 99;
    CHECK(lacking_text(pending_baseline, 1) == "99 of 100 transitions");
    CHECK_FALSE(jsg_baseline_suffices(&pending_baseline, 1));
    pending_baseline.transitions = 100;
    pending_baseline.judged_socket_seconds = UINT32_MAX;
    pending_baseline.waiting_socket_seconds = 1;  // 0 together, if they were added up in 32 bits
    CHECK(lacking_text(pending_baseline, 1).empty());
}

TEST_CASE("each warning about a baseline has its reason", "[alert_text]") {
    CHECK(warnings_text(0).empty());
    CHECK(warnings_text(JSG_WARN_OLD_AND_STALLED) ==
          "most connections that were not idle made no progress for 8 s or longer");
    CHECK(warnings_text(JSG_WARN_QUEUE_FULL) == "its accept queue was full");
    CHECK(warnings_text(JSG_WARN_OLD_AND_STALLED | JSG_WARN_QUEUE_FULL) ==
          "most connections that were not idle made no progress for 8 s or longer, and its "
          "accept queue was full");
    CHECK(warnings_text(JSG_WARN_UNBALANCED).empty());  // which is none of an attack
}

TEST_CASE("the thresholds that were learned are told each for its signal", "[alert_text]") {
    jsg_service service{};
    service.threshold_nanobits[JSG_OCCUPANCY] = 93'000'000;
    service.threshold_nanobits[JSG_TRANSITIONS] = 61'000'000;
    CHECK(learned_thresholds_text(service) ==
          "threshold 0.093 bits for occupancy, 0.061 bits for transitions");
}

TEST_CASE("the learning bar fills from nothing to all", "[alert_text]") {
    CHECK(learning_bar(0, 60, 28) == "learning [..........] 0/60 s");
    CHECK(learning_bar(30, 60, 29) == "learning [#####.....] 30/60 s");
    CHECK(learning_bar(60, 60, 29) == "learning [##########] 60/60 s");
    CHECK(learning_bar(99, 60, 29) == "learning [##########] 60/60 s");
    CHECK(learning_bar(0, 0, 27) == "learning [##########] 0/0 s");
}

TEST_CASE("the learning bar is never wider than it may be", "[alert_text]") {
    for (std::size_t width = 0; width < 300; width++) {
        for (const std::uint32_t total : {0U, 1U, 60U, 86'400U, UINT32_MAX}) {
            CAPTURE(width, total);
            REQUIRE(learning_bar(total / 2, total, width).size() <= width);
        }
    }
    CHECK(learning_bar(30, 60, 20) == "learning 30/60 s");
}
