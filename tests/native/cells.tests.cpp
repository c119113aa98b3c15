// SPDX-License-Identifier: BSD-2-Clause
// Tests of the words for cells, signals, modes and verdicts.
#include "common/cells.hpp"

#include <iterator>
#include <set>

#include "tests/catch_compat.hpp"

using namespace jsguard;

namespace {

std::uint32_t occupancy(jsg_phase phase, std::uint32_t age) { return phase * JSG_AGES + age; }

}  // namespace

TEST_CASE("a transition is named by the kernel's states", "[cells]") {
    CHECK(transition_name(jsg_transition_cell(JSG_TCP_ESTABLISHED, JSG_TCP_FIN_WAIT1)) ==
          "ESTABLISHED->FIN_WAIT1");
    CHECK(transition_name(jsg_transition_cell(JSG_TCP_LISTEN, JSG_TCP_SYN_RECV)) ==
          "LISTEN->SYN_RECV");
    CHECK(transition_name(jsg_transition_cell(JSG_TCP_CLOSE, JSG_TCP_BOUND_INACTIVE)) ==
          "CLOSE->BOUND_INACTIVE");
    CHECK(transition_name(jsg_transition_cell(JSG_TCP_FIN_WAIT2, JSG_TCP_CLOSE)) ==
          "FIN_WAIT2->CLOSE");
}

TEST_CASE("each state has the kernel's number", "[cells]") {
    const struct {
        std::uint32_t state;
        const char* name;
    } rows[] = {{1, "ESTABLISHED"},    {2, "SYN_SENT"},  {3, "SYN_RECV"}, {4, "FIN_WAIT1"},
                {5, "FIN_WAIT2"},      {6, "TIME_WAIT"}, {7, "CLOSE"},    {8, "CLOSE_WAIT"},
                {9, "LAST_ACK"},       {10, "LISTEN"},   {11, "CLOSING"}, {12, "NEW_SYN_RECV"},
                {13, "BOUND_INACTIVE"}};
    for (const auto& row : rows) {
        CHECK(transition_name(jsg_transition_cell(row.state, row.state)) ==
              std::string(row.name) + "->" + row.name);
    }
}

TEST_CASE("an occupancy cell is named by phase and age", "[cells]") {
    CHECK(occupancy_name(occupancy(JSG_REQUEST_SLOW, 4)) == "request slow 8-16s");
    CHECK(occupancy_name(occupancy(JSG_RESPONSE_MOVING, 0)) == "response moving <1s");
    CHECK(occupancy_name(occupancy(JSG_RESPONSE_SLOW, 1)) == "response slow 1-2s");
    CHECK(occupancy_name(occupancy(JSG_REQUEST_MOVING, 2)) == "request moving 2-4s");
    CHECK(occupancy_name(occupancy(JSG_CLOSING, 3)) == "closing 4-8s");
    CHECK(occupancy_name(occupancy(JSG_HALF_CLOSED, 5)) == "half closed 16-32s");
    CHECK(occupancy_name(occupancy(JSG_WAITING, 6)) == "waiting 32s+");
    CHECK(occupancy_name(JSG_CELL_EXCESS) == "more open than expected");
}

TEST_CASE("a cell is named after its signal", "[cells]") {
    CHECK(cell_name(JSG_TRANSITIONS, jsg_transition_cell(1, 4)) == "ESTABLISHED->FIN_WAIT1");
    CHECK(cell_name(JSG_OCCUPANCY, occupancy(JSG_CLOSING, 0)) == "closing <1s");
}

TEST_CASE("every cell has its own name, and the name gives the cell", "[cells]") {
    std::set<std::string> names;
    for (std::uint32_t cell = 0; cell < JSG_TRANSITION_CELLS; cell++) {
        names.insert(transition_name(cell));
        REQUIRE(transition_cell(transition_name(cell)) == cell);
    }
    for (std::uint32_t cell = 0; cell < JSG_OCCUPANCY_CELLS; cell++) {
        names.insert(occupancy_name(cell));
        if (cell < JSG_PHASE_CELLS) REQUIRE(occupancy_cell(occupancy_name(cell)) == cell);
    }
    CHECK(names.size() == JSG_TRANSITION_CELLS + JSG_OCCUPANCY_CELLS);
}

TEST_CASE("a text that is not a cell's name gives no cell", "[cells]") {
    for (const char* name : {"", "ESTABLISHED", "established->close", "ESTABLISHED->FIN_WAIT1 ",
                             "request slow", "more open than expected"}) {
        CAPTURE(name);
        CHECK_FALSE(transition_cell(name).has_value());
        CHECK_FALSE(occupancy_cell(name).has_value());
    }
    CHECK_FALSE(occupancy_cell("ESTABLISHED->CLOSE").has_value());
    CHECK_FALSE(transition_cell("closing <1s").has_value());
}

TEST_CASE("a cell outside the tables is unknown and reads no memory", "[cells]") {
    CHECK(transition_name(JSG_TRANSITION_CELLS) == "unknown->NONE");
    CHECK(occupancy_name(JSG_CELL_EXCESS + 1) == "unknown 1-2s");
    CHECK(occupancy_name(UINT32_MAX).substr(0, 7) == "unknown");
}

TEST_CASE("modes, verdicts, signals, events and alert states have words", "[cells]") {
    CHECK(signal_name(JSG_TRANSITIONS) == "transitions");
    CHECK(signal_name(JSG_OCCUPANCY) == "occupancy");
    CHECK(event_name(JSG_RAISE) == "raise");
    CHECK(event_name(JSG_CLEAR) == "clear");
    CHECK(mode_name(JSG_STILL_LEARNING) == "still learning");
    CHECK(mode_name(JSG_LEAVING) == "leaving");
    CHECK(alert_state_name(JSG_CONFIRMING) == "confirming");
    CHECK(alert_state_name(JSG_ALERT) == "alert");
}

TEST_CASE("each verdict has its words", "[cells]") {
    const struct {
        jsg_verdict verdict;
        const char* words;
    } rows[] = {{JSG_NOTHING_SEEN, "nothing seen"},
                {JSG_NOT_JUDGED, "not judged"},
                {JSG_NOT_ENOUGH_TRAFFIC, "not enough traffic"},
                {JSG_NORMAL, "normal"},
                {JSG_MOVING, "moving"},
                {JSG_EXCESS_ONLY, "excess only"},
                {JSG_NO_EXCESS, "no excess"},
                {JSG_UNBALANCED, "unbalanced"},
                {JSG_ABOVE, "above"}};
    CHECK(std::size(rows) == JSG_VERDICTS);
    for (const auto& row : rows) CHECK(verdict_name(row.verdict) == row.words);
    CHECK(verdict_name(JSG_VERDICTS) == "unknown");
}
