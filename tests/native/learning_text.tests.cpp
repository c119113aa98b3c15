// SPDX-License-Identifier: BSD-2-Clause
// Tests of the texts about learning: what it lacks, its progress bar and its result.
#include "common/learning_text.hpp"

#include "kernel/significance.h"
#include "tests/catch_compat.hpp"
#include "texts.hpp"

using namespace jsguard;

TEST_CASE("the text of what a baseline lacks has the present and the required numbers",
          "[learning_text]") {
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
    pending_baseline.waiting_socket_seconds = 1;  // the sum would be 0 in 32 bits
    CHECK(lacking_text(pending_baseline, 1).empty());
}

TEST_CASE("each warning about a baseline has its reason", "[learning_text]") {
    CHECK(warnings_text(0).empty());
    CHECK(warnings_text(JSG_WARN_OLD_AND_STALLED) ==
          "most connections that were not idle made no progress for 8 s or longer");
    CHECK(warnings_text(JSG_WARN_QUEUE_FULL) == "its accept queue was full");
    CHECK(warnings_text(JSG_WARN_OLD_AND_STALLED | JSG_WARN_QUEUE_FULL) ==
          "most connections that were not idle made no progress for 8 s or longer, and its "
          "accept queue was full");
    CHECK(warnings_text(JSG_WARN_UNBALANCED).empty());  // this warning does not hint at an attack
}

TEST_CASE("the text of learned thresholds names each signal", "[learning_text]") {
    jsg_service service{};
    service.threshold_nanobits[JSG_OCCUPANCY] = 93'000'000;
    service.threshold_nanobits[JSG_TRANSITIONS] = 61'000'000;
    CHECK(learned_thresholds_text(service) ==
          "threshold 0.093 bits for occupancy, 0.061 bits for transitions");
}

TEST_CASE("the learning bar fills from nothing to all", "[learning_text]") {
    CHECK(learning_bar(0, 60, 28) == "learning [..........] 0/60 s");
    CHECK(learning_bar(30, 60, 29) == "learning [#####.....] 30/60 s");
    CHECK(learning_bar(60, 60, 29) == "learning [##########] 60/60 s");
    CHECK(learning_bar(99, 60, 29) == "learning [##########] 60/60 s");
    CHECK(learning_bar(0, 0, 27) == "learning [##########] 0/0 s");
}

TEST_CASE("the learning bar is never wider than its limit", "[learning_text]") {
    for (std::size_t width = 0; width < 300; width++) {
        for (const std::uint32_t total : {0U, 1U, 60U, 86'400U, UINT32_MAX}) {
            CAPTURE(width, total);
            REQUIRE(learning_bar(total / 2, total, width).size() <= width);
        }
    }
    CHECK(learning_bar(30, 60, 20) == "learning 30/60 s");
}
