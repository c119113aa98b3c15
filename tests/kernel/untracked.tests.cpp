// SPDX-License-Identifier: BSD-2-Clause
// More sockets than slots: the untracked ones are counted exactly while they live, and when they
// end.
#include <fmt/format.h>

#include <iterator>
#include <string>
#include <vector>

#include "common/losses.hpp"
#include "tests/catch_compat.hpp"
#include "usual.hpp"
#include "watched.hpp"

using namespace testbed;

namespace {

const std::uint16_t port = own_port(0);
const std::uint16_t crowded_port = own_port(1);
const std::uint16_t gone_port = own_port(2);
constexpr std::uint32_t listeners_needed = 64;  // so that no accept queue of 4,096 overflows
constexpr std::uint32_t sockets = 150'000;

std::uint64_t of(const Transitions& transitions, int from, int to) {
    const auto found = transitions.find({from, to});
    return found == transitions.end() ? 0 : found->second;
}

}  // namespace

TEST_CASE("sockets that find no slot are counted while they live, and no longer when they end",
          "[untracked][long][alone]") {
    jsguard::Options options = quick_options({port});
    options.learn_s = 3600;
    Watched w(options);
    const std::size_t slots = std::size(w.detector.skeleton().bss->jsg_slots);
    std::vector<Socket> listeners;
    for (std::uint32_t i = 0; i < listeners_needed; ++i)
        listeners.push_back(listen_on_shared(port));
    w.detector.arm_clock();
    const double start = now_s();
    for (std::uint32_t i = 0; i < sockets; ++i) {
        if (i && i % 25'000 == 0) {
            const std::uint64_t so_far = w.detector.reader().stats().sockets_untracked;
            fmt::print("{} of {} sockets untracked\n", so_far, i);
            // This tests that buckets fill evenly. If the first bucket were always filled first,
            // hundreds of sockets would find no slot.
            if (i == 50'000) CHECK(so_far == 0);
            if (i == 75'000) CHECK(so_far < 75);
        }
        connect_and_abandon(port, i);
    }
    const double connected = now_s();

    const std::uint64_t untracked = w.detector.reader().stats().sockets_untracked;
    CHECK(remembered(w.detector) - listeners_needed + untracked == sockets);
    CHECK(remembered(w.detector) > slots / 10 * 9);
    CHECK(untracked > sockets - slots);
    CHECK(jsguard::losses_text(w.detector.reader().stats())
              .find(fmt::format("{} sockets never sampled (no slot was free)", untracked)) !=
          std::string::npos);
    // The service's windows count all sockets.
    REQUIRE(w.wait_for_steps(1, 2));
    REQUIRE(w.wait(2, [&] { return last_window(w.detector, 1).has_value(); }));
    CHECK(w.service(1).untracked_sockets == untracked);
    CHECK(last_window(w.detector, 1)->sockets == sockets);
    CHECK(last_window(w.detector, 1)->sample_weight == 4);  // more than 65,536 sockets have a slot
    const Transitions open = counted(w.detector, 1);
    CHECK(of(open, JSG_TCP_LISTEN, JSG_TCP_SYN_RECV) == sockets);
    CHECK(of(open, JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED) == sockets);

    const double closing = now_s();
    listeners.clear();
    const double closed = now_s();
    const auto nothing_left = [&] {
        const jsg_service service = w.service(1);
        return !remembered(w.detector) && !service.sockets && !service.untracked_sockets;
    };
    CHECK(w.wait(10, nothing_left));
    CAPTURE(remembered(w.detector), w.service(1).sockets, w.service(1).untracked_sockets);
    CHECK(nothing_left());
    CHECK(of(counted(w.detector, 1), JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE) == sockets);
    const jsg_stats stats = w.detector.reader().stats();
    CHECK(stats.sockets_untracked == untracked);
    CHECK(stats.transitions == 3ULL * sockets + 2 * listeners_needed);
    CHECK(stats.unknown_states == 0);
    fmt::print("{} of {} sockets untracked; connected in {:.1f} s, closed in {:.1f} s\n", untracked,
               sockets, connected - start, closed - closing);
}

TEST_CASE("a listener and a connection that find no slot are counted once", "[untracked]") {
    jsguard::Options options = quick_options({crowded_port});
    options.learn_s = 3600;
    Watched w(options);
    w.detector.adopt_sockets();
    w.detector.arm_clock();
    jsg_slot* slots = w.detector.skeleton().bss->jsg_slots;
    for (std::size_t i = 0; i < std::size(w.detector.skeleton().bss->jsg_slots); ++i) {
        if (!slots[i].sk) slots[i].sk = i + 2;  // not the address of a socket
    }
    {
        const Socket listener = listen_on(crowded_port);
        reset_clients(listener, crowded_port, 1);
    }
    const Transitions once = {{{{JSG_TCP_CLOSE, JSG_TCP_LISTEN}, 1},
                               {{JSG_TCP_LISTEN, JSG_TCP_SYN_RECV}, 1},
                               {{JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED}, 1},
                               {{JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE}, 1},
                               {{JSG_TCP_LISTEN, JSG_TCP_CLOSE}, 1}}};
    CHECK(counted(w.detector, 1) == once);
    CHECK(w.detector.reader().stats().sockets_untracked == 1);
}

TEST_CASE("a slot whose socket's memory is no socket any more is emptied, and the end counted",
          "[untracked]") {
    jsguard::Options options = quick_options({gone_port});
    options.learn_s = 3600;
    Watched w(options);
    w.detector.arm_clock();
    REQUIRE(w.wait_for_steps(1, 4));  // so that the slot can be older than 2 s
    auto& memory = *w.detector.skeleton().bss;
    // This address cannot be read, and gives 0: no state, and no port.
    memory.jsg_slots[1].born_ms = memory.jsg_now_ms - 3000;
    memory.jsg_slots[1].service_id = 1;
    memory.jsg_slots[1].state = JSG_TCP_ESTABLISHED;
    memory.jsg_slots[1].sk = 0x1000;
    CHECK(w.wait(4, [&] { return memory.jsg_slots[1].sk == 0; }));
    REQUIRE(w.wait_for_steps(1, 2));
    CHECK(remembered(w.detector) == 0);
    CHECK(w.service(1).sockets == 0);
    const auto last = reading(w.detector, 1, w.service(1).sequence);
    CHECK(last.transitions[jsg_transition_cell(JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE)] == 1);
    CHECK(w.detector.reader().stats().transitions_late == 1);
}
