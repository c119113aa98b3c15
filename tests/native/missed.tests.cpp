// SPDX-License-Identifier: BSD-2-Clause
// Tests of the path of a socket between two states that the detector observed.
#include "kernel/missed.h"

#include <vector>

#include "tests/catch_compat.hpp"

namespace {

using Path = std::vector<__u32>;

// The states that the socket entered, with the last one.
Path path(__u32 from, __u32 to, __u32 fins = 0) {
    Path entered;
    while (from != to && entered.size() <= JSG_MISSED_MAX)
        entered.push_back(from = jsg_next_state(from, to, fins));
    return entered;
}

constexpr __u32 both = JSG_FIN_RECEIVED | JSG_FIN_ACKED;

}  // namespace

TEST_CASE("the missed transitions are the one path between two states", "[missed]") {
    const struct {
        __u32 from, to, fins;
        Path entered;
    } rows[] = {
        {JSG_TCP_NONE, JSG_TCP_SYN_RECV, 0, {JSG_TCP_SYN_RECV}},
        {JSG_TCP_NONE, JSG_TCP_ESTABLISHED, 0, {JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED}},
        {JSG_TCP_NONE,
         JSG_TCP_CLOSE_WAIT,
         0,
         {JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE_WAIT}},
        {JSG_TCP_NONE, JSG_TCP_CLOSE, 0, {JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE}},
        {JSG_TCP_NONE,
         JSG_TCP_CLOSE,
         JSG_FIN_RECEIVED,
         {JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE_WAIT, JSG_TCP_CLOSE}},
        {JSG_TCP_SYN_RECV, JSG_TCP_CLOSE, 0, {JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE}},
        {JSG_TCP_SYN_RECV, JSG_TCP_FIN_WAIT1, 0, {JSG_TCP_ESTABLISHED, JSG_TCP_FIN_WAIT1}},
        {JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE_WAIT, 0, {JSG_TCP_CLOSE_WAIT}},
        {JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE, 0, {JSG_TCP_CLOSE}},
        {JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE, JSG_FIN_ACKED, {JSG_TCP_CLOSE}},
        {JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE, both, {JSG_TCP_CLOSE_WAIT, JSG_TCP_CLOSE}},
        {JSG_TCP_ESTABLISHED, JSG_TCP_LAST_ACK, 0, {JSG_TCP_CLOSE_WAIT, JSG_TCP_LAST_ACK}},
        {JSG_TCP_ESTABLISHED, JSG_TCP_FIN_WAIT2, 0, {JSG_TCP_FIN_WAIT1, JSG_TCP_FIN_WAIT2}},
        {JSG_TCP_ESTABLISHED, JSG_TCP_CLOSING, 0, {JSG_TCP_FIN_WAIT1, JSG_TCP_CLOSING}},
        {JSG_TCP_FIN_WAIT1, JSG_TCP_FIN_WAIT2, 0, {JSG_TCP_FIN_WAIT2}},
        {JSG_TCP_FIN_WAIT1, JSG_TCP_CLOSING, 0, {JSG_TCP_CLOSING}},
        {JSG_TCP_FIN_WAIT1, JSG_TCP_CLOSE, 0, {JSG_TCP_CLOSE}},
        {JSG_TCP_FIN_WAIT1, JSG_TCP_CLOSE, both, {JSG_TCP_FIN_WAIT2, JSG_TCP_CLOSE}},
        {JSG_TCP_FIN_WAIT1, JSG_TCP_CLOSE, JSG_FIN_ACKED, {JSG_TCP_FIN_WAIT2, JSG_TCP_CLOSE}},
        {JSG_TCP_FIN_WAIT1, JSG_TCP_CLOSE, JSG_FIN_RECEIVED, {JSG_TCP_CLOSING, JSG_TCP_CLOSE}},
        {JSG_TCP_FIN_WAIT2, JSG_TCP_CLOSE, both, {JSG_TCP_CLOSE}},
        {JSG_TCP_CLOSE_WAIT, JSG_TCP_CLOSE, both, {JSG_TCP_CLOSE}},
        {JSG_TCP_LAST_ACK, JSG_TCP_CLOSE, both, {JSG_TCP_CLOSE}},
        {JSG_TCP_LISTEN, JSG_TCP_CLOSE, 0, {JSG_TCP_CLOSE}},
        {JSG_TCP_CLOSE, JSG_TCP_SYN_SENT, 0, {JSG_TCP_SYN_SENT}},
        {JSG_TCP_SYN_SENT, JSG_TCP_ESTABLISHED, 0, {JSG_TCP_ESTABLISHED}},
        {JSG_TCP_SYN_SENT, JSG_TCP_SYN_RECV, 0, {JSG_TCP_SYN_RECV}},
        {JSG_TCP_LISTEN,
         JSG_TCP_ESTABLISHED,
         0,
         {JSG_TCP_CLOSE, JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED}},
        {JSG_TCP_FIN_WAIT1,
         JSG_TCP_ESTABLISHED,
         0,
         {JSG_TCP_CLOSE, JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED}},
        {JSG_TCP_CLOSE, JSG_TCP_ESTABLISHED, 0, {JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED}},
        {JSG_TCP_LAST_ACK, JSG_TCP_SYN_RECV, 0, {JSG_TCP_CLOSE, JSG_TCP_SYN_RECV}},
    };
    for (const auto& row : rows) {
        CAPTURE(row.from, row.to, row.fins);
        CHECK(path(row.from, row.to, row.fins) == row.entered);
    }
}

TEST_CASE("a path between any two states ends within its bound", "[missed]") {
    for (__u32 from = 0; from < JSG_STATES; ++from) {
        for (__u32 to = 1; to < JSG_STATES; ++to) {
            for (__u32 fins = 0; fins <= both; ++fins) {
                CAPTURE(from, to, fins);
                const Path entered = path(from, to, fins);
                CHECK(entered.size() <= JSG_MISSED_MAX);
                CHECK((entered.empty() ? from : entered.back()) == to);
            }
        }
    }
}

TEST_CASE("an accepted socket comes from its listener's state", "[missed]") {
    CHECK(jsg_missed_cell(JSG_TCP_NONE, JSG_TCP_SYN_RECV) ==
          jsg_transition_cell(JSG_TCP_LISTEN, JSG_TCP_SYN_RECV));
    CHECK(jsg_missed_cell(JSG_TCP_CLOSE, JSG_TCP_SYN_RECV) ==
          jsg_transition_cell(JSG_TCP_LISTEN, JSG_TCP_SYN_RECV));
    CHECK(jsg_missed_cell(JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE) ==
          jsg_transition_cell(JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE));
}
