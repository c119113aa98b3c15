// SPDX-License-Identifier: BSD-2-Clause
// With very many sockets, only a part of them is sampled. The numbers and the alerts are still
// right.
#include <cmath>
#include <vector>

#include "tests/catch_compat.hpp"
#include "usual.hpp"
#include "watched.hpp"

using namespace testbed;

namespace {

const std::uint16_t busy_port = own_port(0);
const std::uint16_t attacked_port = own_port(1);
constexpr std::uint32_t listeners_needed = 64;  // so that no accept queue of 4,096 overflows
constexpr int attackers = 200;

// weight: the number of sockets that each sampled socket represents.
void attack_among_others(std::uint32_t sockets, double weight) {
    // Standard deviation of the number of attackers that the sampled attackers give.
    const double deviation = weight * std::sqrt(attackers / weight * (1 - 1 / weight));
    Watched w(quick_options({busy_port, attacked_port}), {{attacked_port, usual_baseline()}});
    std::vector<Socket> listeners;
    for (std::uint32_t i = 0; i < listeners_needed; ++i)
        listeners.push_back(listen_on_shared(busy_port));
    const Socket attacked = listen_on(attacked_port);
    for (std::uint32_t i = 0; i < sockets; ++i) connect_and_abandon(busy_port, i);
    w.detector.arm_clock();
    REQUIRE(w.wait_for_mode(1, JSG_MONITORING));
    REQUIRE(w.wait_for_steps(1, 5));
    CHECK(w.alerts.empty());

    auto stalled = connect_clients(attacked, attacked_port, attackers);
    REQUIRE(w.wait(15, [&] { return !w.alerts.empty(); }));
    REQUIRE(w.wait_for_steps(2, 2 * window_s));
    REQUIRE(w.alerts.size() == 1);
    CHECK(w.alerts[0].event == JSG_RAISE);
    CHECK(w.alerts[0].signal == JSG_OCCUPANCY);
    CHECK(w.alerts[0].port == attacked_port);

    const auto of_busy = last_window(w.detector, 1), of_attacked = last_window(w.detector, 2);
    REQUIRE(of_busy);
    REQUIRE(of_attacked);
    CHECK(of_busy->sample_weight == weight);
    CHECK(of_busy->sockets == sockets);
    // Sockets without a slot are in no phase.
    const double with_slot = sockets - w.service(1).untracked_sockets;
    CHECK(of_busy->sampled_ppm == Approx(1e6 / weight * with_slot / sockets).epsilon(0.03));
    CHECK(of_busy->open_requests == Approx(with_slot).epsilon(0.03));
    CHECK(of_attacked->sockets == attackers);
    CHECK(std::abs(of_attacked->open_requests - double{attackers}) <= 4 * deviation);

    stalled.clear();
    REQUIRE(w.wait(15, [&] { return w.alerts.size() == 2; }));
    CHECK(w.alerts[1].event == JSG_CLEAR);
}

}  // namespace

TEST_CASE("200 stalled connections among 40,000 others raise an alert only on their port",
          "[sampling][slow]") {
    attack_among_others(40'000, 2);
}

TEST_CASE("200 stalled connections among 100,000 others raise an alert only on their port",
          "[sampling][long][alone]") {
    attack_among_others(100'000, 4);
}
