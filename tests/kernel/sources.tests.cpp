// SPDX-License-Identifier: BSD-2-Clause
// The sources in the record of an alert, with exact numbers of sockets.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "inconclusive.hpp"
#include "kernel/occupancy.h"
#include "tests/catch_compat.hpp"
#include "usual.hpp"
#include "watched.hpp"

using namespace testbed;

namespace {

const std::uint16_t first_port = own_port(0);

// Sources as an alert should name them: the address as text, with its prefix, and its sockets.
using Sources = std::vector<std::pair<std::string, std::uint32_t>>;

Sources named(const jsg_sources& sources) {
    Sources found;
    for (std::uint32_t i = 0; i < sources.top_count && i < JSG_TOP_SOURCES; ++i) {
        const jsg_source& source = sources.top[i];
        const bool v4 = source.prefix_bits == 32;
        std::uint8_t bytes[16] = {};
        std::copy(source.address, source.address + sizeof(source.address), bytes);
        char text[INET6_ADDRSTRLEN];
        inet_ntop(v4 ? AF_INET : AF_INET6, bytes, text, sizeof(text));
        found.emplace_back(fmt::format("{}/{}", text, source.prefix_bits), source.sockets);
    }
    return found;
}

// Connects clients from an address. They never send.
void connect_clients_from(std::vector<Ends>& stalled, const Socket& listener, std::uint16_t port,
                          const std::string& address, int connections) {
    for (int i = 0; i < connections; ++i) {
        Socket client = connect_from(address, port);
        stalled.push_back({std::move(client), accept_from(listener)});
    }
}

const jsg_alert* raise_of(const Watched& w, std::uint16_t port, jsg_signal signal = JSG_OCCUPANCY) {
    for (const jsg_alert& alert : w.alerts) {
        if (alert.port == port && alert.event == JSG_RAISE && alert.signal == signal) return &alert;
    }
    return nullptr;
}

// Connects clients from an address, and resets them.
void reset_clients_from(const Socket& listener, std::uint16_t port, const std::string& address,
                        int connections) {
    std::vector<Ends> clients;
    connect_clients_from(clients, listener, port, address, connections);
    for (Ends& ends : clients) ends.client.reset();
}

// From the next step on, the detector counts the sources of connections that end unusually.
void wait_until_transitions_deviate(Watched& w, std::uint32_t service_id) {
    REQUIRE(w.wait_for_steps(service_id, 1));
    REQUIRE(wait_until(10, [&] {
        const auto last = window(w.detector, service_id, w.service(service_id).sequence);
        return last && last->signal[JSG_TRANSITIONS].js_nanobits >
                           w.service(service_id).threshold_nanobits[JSG_TRANSITIONS];
    }));
}

void allow_descriptors(rlim_t descriptors) {
    rlimit limit{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = std::max(limit.rlim_cur, descriptors);
    limit.rlim_max = std::max(limit.rlim_max, limit.rlim_cur);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

// A minute of a service that always has 20 fresh requests, at 40 connections a second.
jsg_baseline crowded_baseline() {
    jsg_baseline baseline{};
    baseline.learned_s = 60;
    baseline.exchanges = 2400;
    add(baseline, JSG_TCP_LISTEN, JSG_TCP_SYN_RECV, 2400);
    add(baseline, JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED, 2400);
    add(baseline, JSG_TCP_ESTABLISHED, JSG_TCP_FIN_WAIT1, 2400);
    baseline.occupancy_socket_seconds[JSG_REQUEST_SLOW * JSG_AGES] = 1200;
    baseline.judged_socket_seconds = 1200;
    return baseline;
}

}  // namespace

TEST_CASE("an alert names the sources of the sockets in deviating cells, with exact numbers",
          "[sources][slow]") {
    const TimeCritical time_critical;
    const std::uint16_t v4 = first_port, both = first_port + 1, crowded = first_port + 2;
    jsguard::Options options = quick_options({v4, both, crowded});
    options.confirm_windows = 5;  // then the attackers' sockets are older than the crowd's
    Watched w(options,
              {{v4, usual_baseline()}, {both, usual_baseline()}, {crowded, crowded_baseline()}});
    const std::string v6[] = {"fd00:1::1", "fd00:1::2", "fd00:2::1"};
    for (const std::string& address : v6) add_address(address);
    const Socket listeners[] = {listen_on(v4), listen_on_both(both), listen_on(crowded)};
    Crowd crowd(listeners[2], crowded);
    w.detector.arm_clock();
    const auto start = w.service(3).sequence;
    REQUIRE(crowd.run(w, 40, 0.5, 10, [&] { return w.service(3).sequence >= start + 3; }));

    std::vector<Ends> of_v4, of_both, of_crowded;
    const int numbers[] = {12, 4, 10, 1, 8, 2, 6};
    for (int i = 0; i < 7; ++i)
        connect_clients_from(of_v4, listeners[0], v4, fmt::format("127.0.1.{}", i + 1), numbers[i]);
    connect_clients_from(of_both, listeners[1], both, v6[0], 9);
    connect_clients_from(of_both, listeners[1], both, v6[1], 5);
    connect_clients_from(of_both, listeners[1], both, v6[2], 7);
    connect_clients_from(of_both, listeners[1], both, "::1", 3);
    connect_clients_from(of_both, listeners[1], both, "127.0.1.1", 20);
    connect_clients_from(of_crowded, listeners[2], crowded, "127.0.3.1", 80);
    connect_clients_from(of_crowded, listeners[2], crowded, "127.0.3.2", 40);
    REQUIRE(crowd.run(w, 40, 0.5, 20, [&] {
        return raise_of(w, v4) && raise_of(w, both) && raise_of(w, crowded);
    }));

    const jsg_sources a = raise_of(w, v4)->sources;
    CHECK(a.sockets == 43);
    CHECK(a.distinct == 7);
    CHECK(a.inexact == 0);
    CHECK(named(a) == Sources{{"127.0.1.1/32", 12},
                              {"127.0.1.3/32", 10},
                              {"127.0.1.5/32", 8},
                              {"127.0.1.7/32", 6},
                              {"127.0.1.2/32", 4}});
    const jsg_sources b = raise_of(w, both)->sources;
    CHECK(b.sockets == 44);
    CHECK(b.distinct == 4);
    CHECK(b.inexact == 0);
    CHECK(named(b) ==
          Sources{{"127.0.1.1/32", 20}, {"fd00:1::/64", 14}, {"fd00:2::/64", 7}, {"::/64", 3}});
    // The crowd's own sockets are as young and as many as before, so they do not deviate.
    const jsg_alert c = *raise_of(w, crowded);
    CHECK(c.sockets > 120);
    CHECK(c.sources.sockets == 120);
    CHECK(c.sources.distinct == 2);
    CHECK(named(c.sources) == Sources{{"127.0.3.1/32", 80}, {"127.0.3.2/32", 40}});

    // No attacker remains, so the clear names no source.
    of_v4.clear();
    const auto is_clear = [&](const jsg_alert& alert) {
        return alert.event == JSG_CLEAR && alert.port == v4;
    };
    REQUIRE(w.wait(15, [&] { return std::any_of(w.alerts.begin(), w.alerts.end(), is_clear); }));
    const jsg_sources last = std::find_if(w.alerts.begin(), w.alerts.end(), is_clear)->sources;
    CHECK(last.sockets == 0);
    CHECK(last.distinct == 0);
    CHECK(last.top_count == 0);
    CHECK(w.detector.reader().stats().sources_lost == 0);
}

TEST_CASE("with more sources than entries, the alert is marked as inexact", "[sources]") {
    const TimeCritical time_critical;
    const std::uint16_t some = first_port + 3, many = first_port + 4;
    constexpr std::uint32_t of_some = 1000, of_many = 17'500;  // entries: 16,384
    allow_descriptors(of_some + of_many + 200);
    const auto connect_each = [](std::vector<Socket>& stalled, std::uint16_t port,
                                 std::uint32_t number) {
        for (std::uint32_t i = 0; i < number; ++i)
            stalled.push_back(connect_from(
                fmt::format("127.{}.{}.{}", 1 + i / 65536, i / 256 % 256, i % 256), port));
    };
    // All connections exist before the first sample, so that the alert is about all of them. Nobody
    // accepts them. Their ages count from the attaching, because the clock stands still until it is
    // armed. Sources are counted in the cells that deviated one step before. So the clock is armed
    // at a time when all samples up to the raise find the connections in one age bucket.
    const auto arm_in_one_age_bucket = [](Watched& w, double attached_s) {
        const auto bucket_after = [&](double seconds) {
            const double age_s = std::max(0.0, now_s() - attached_s + seconds);
            return jsg_age_bucket(static_cast<std::uint32_t>(1000 * age_s));
        };
        REQUIRE(wait_until(10, [&] { return bucket_after(-0.3) == bucket_after(3.2); }));
        w.detector.arm_clock();
    };
    {
        Watched w(quick_options({some}), {{some, usual_baseline()}});
        const double attached_s = now_s();
        const Socket listener = listen_on(some);
        std::vector<Socket> stalled;
        connect_each(stalled, some, of_some);
        arm_in_one_age_bucket(w, attached_s);
        REQUIRE(w.wait(15, [&] { return raise_of(w, some); }));
        const jsg_sources exact = raise_of(w, some)->sources;
        CHECK(exact.sockets == of_some);
        CHECK(exact.distinct == of_some);
        CHECK(exact.top_count == JSG_TOP_SOURCES);
        CHECK(exact.top[0].sockets == 1);
        CHECK(exact.inexact == 0);
        CHECK(w.detector.reader().stats().sources_lost == 0);
    }
    Watched w(quick_options({many}), {{many, usual_baseline()}});
    const double attached_s = now_s();
    // Eight accept queues have enough room.
    std::vector<Socket> listeners, stalled;
    for (int i = 0; i < 8; ++i) listeners.push_back(listen_on_shared(many));
    connect_each(stalled, many, of_many);
    arm_in_one_age_bucket(w, attached_s);
    REQUIRE(w.wait(20, [&] { return raise_of(w, many); }));
    const jsg_sources over = raise_of(w, many)->sources;
    CHECK(over.inexact == 1);
    CHECK(w.detector.reader().stats().sources_lost > 0);
}

TEST_CASE("an alert on transitions names who ended connections unusually, with exact numbers",
          "[sources]") {
    const TimeCritical time_critical;
    const std::uint16_t port = first_port + 5;
    jsguard::Options options = quick_options({port});
    options.confirm_windows = 3;
    Watched w(options, {{port, usual_baseline()}});
    add_address("fd00:4::1");
    const Socket listener = listen_on_both(port);
    w.detector.arm_clock();
    REQUIRE(w.wait_for_steps(1, 1));
    // The first step above the threshold is not counted.
    reset_clients_from(listener, port, "127.0.9.9", 300);
    wait_until_transitions_deviate(w, 1);

    reset_clients_from(listener, port, "127.0.5.1", 60);
    reset_clients_from(listener, port, "fd00:4::1", 10);
    // These end as all connections of the baseline do: in LAST_ACK.
    std::vector<Ends> usual;
    connect_clients_from(usual, listener, port, "127.0.5.3", 8);
    for (Ends& ends : usual) {
        ends.client.close();
        ends.server.wait_for_end();
        ends.server.close();
    }
    // The count goes on until the raise.
    REQUIRE(w.wait_for_steps(1, 1));
    reset_clients_from(listener, port, "127.0.5.1", 1);
    reset_clients_from(listener, port, "127.0.5.2", 40);
    REQUIRE(w.wait(10, [&] { return raise_of(w, port, JSG_TRANSITIONS); }));

    const jsg_sources found = raise_of(w, port, JSG_TRANSITIONS)->sources;
    CHECK(named(found) == Sources{{"127.0.5.1/32", 61}, {"127.0.5.2/32", 40}, {"fd00:4::/64", 10}});
    CHECK(found.sockets == 111);
    CHECK(found.distinct == 3);
    CHECK(found.inexact == 0);
    CHECK(w.detector.reader().stats().sources_lost == 0);

    // A later alert begins a new count.
    const auto is_clear = [&](const jsg_alert& alert) { return alert.event == JSG_CLEAR; };
    REQUIRE(w.wait(30, [&] { return std::any_of(w.alerts.begin(), w.alerts.end(), is_clear); }));
    CHECK(std::find_if(w.alerts.begin(), w.alerts.end(), is_clear)->sources.sockets == 0);
}

TEST_CASE("ends of connections that find no room are counted, and the alert is marked as inexact",
          "[sources]") {
    const TimeCritical time_critical;
    const std::uint16_t port = first_port + 6;
    // There is room for 3,072, and 256 are counted in a tick.
    constexpr std::uint32_t first = 100, burst = 12'000;
    allow_descriptors(burst + 2 * first + 200);
    jsguard::Options options = quick_options({port});
    options.min_sockets = 2 * burst;  // so each window counts as balanced
    options.confirm_windows = 12;
    Watched w(options, {{port, usual_baseline()}});
    // Eight accept queues have enough room. Nobody accepts.
    std::vector<Socket> listeners, clients;
    for (int i = 0; i < 8; ++i) listeners.push_back(listen_on_shared(port));
    const auto connect_and_reset = [&](const std::string& address, std::uint32_t number) {
        for (std::uint32_t i = 0; i < number; ++i) connect_from(address, port).reset();
    };
    w.detector.arm_clock();
    REQUIRE(w.wait_for_steps(1, 1));
    for (std::uint32_t i = 0; i < burst; ++i) clients.push_back(connect_from("127.0.5.1", port));
    connect_and_reset("127.0.5.2", first);
    wait_until_transitions_deviate(w, 1);

    for (Socket& client : clients) client.reset();
    pause_ms(1000);  // until there is room again
    REQUIRE(w.wait(40, [&] {
        connect_and_reset("127.0.5.3", 2);  // the transitions go on deviating
        pause_ms(20);
        return raise_of(w, port, JSG_TRANSITIONS);
    }));
    const jsg_sources found = raise_of(w, port, JSG_TRANSITIONS)->sources;
    const auto lost = w.detector.reader().stats().sources_lost;
    CHECK(found.inexact == 1);
    CHECK(lost > 0);
    REQUIRE(found.top_count == 2);
    const auto [address, sockets] = named(found)[0];
    CHECK(address == "127.0.5.1/32");
    CHECK(sockets + lost == burst);
}
