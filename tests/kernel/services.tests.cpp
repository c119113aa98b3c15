// SPDX-License-Identifier: BSD-2-Clause
// Services: which ports are monitored, sockets from before the detector, and ports without an
// entry.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "inconclusive.hpp"
#include "load/skeleton.hpp"
#include "testbed.hpp"
#include "tests/catch_compat.hpp"

using namespace testbed;

namespace {

const std::uint16_t first_port = own_port(0);

// A port whose listener is closed releases its service entry after a minute. skipped_s: the part of
// the minute that the test skips, by changing the time in the service entry.
void release_service_entry(int skipped_s) {
    enter_namespace();
    jsguard::Detector detector;
    detector.load(options_for_own_namespace(), {});
    detector.attach();
    detector.arm_clock();
    {
        const Socket listener = listen_on(first_port);
        connect_to(first_port).close();
        REQUIRE(service_id_of(detector, first_port) != 0);
    }
    const std::uint32_t service_id = service_id_of(detector, first_port);
    const auto service = [&] { return detector.reader().service(service_id); };
    const double closed = now_s();
    REQUIRE(wait_until(5, [&] { return service().mode == JSG_LEARNING; }));
    if (skipped_s) {
        // The service step that saw the listener last is over. Service steps are one step apart, so
        // none comes while the test writes the entry.
        REQUIRE(wait_until(5, [&] { return service().sequence >= 2 && !service().listeners; }));
        const auto last = service().sequence;
        REQUIRE(wait_until(5, [&] { return service().sequence > last; }));
        jsg_service entry = service();
        entry.last_used_ns -= static_cast<std::uint64_t>(skipped_s) * 1'000'000'000;
        REQUIRE(bpf_map_update_elem(bpf_map__fd(detector.skeleton().maps.services), &service_id,
                                    &entry, BPF_ANY) == 0);
    }
    REQUIRE(wait_until(75, [&] { return service().mode == JSG_FREE; }));
    CHECK(now_s() - closed > 60 - skipped_s);
    CHECK(now_s() - closed < 70 - skipped_s);
    CHECK(service_id_of(detector, first_port) == 0);

    const Socket next = listen_on(first_port + 1);
    const Socket client = connect_to(first_port + 1);
    REQUIRE(service_id_of(detector, first_port + 1) == service_id);
    REQUIRE(wait_until(5, [&] { return service().sequence >= 2; }));
    const auto record = last_window(detector, service_id);
    REQUIRE(record);
    CHECK(record->port == own_port(1));
    // Those of its one connection. The other transitions in the counters belong to the first port.
    CHECK(record->transitions == 2);
}

// Sockets from before the detector. until_old: waits until they are in the oldest bucket.
void adopt_open_sockets(bool until_old) {
    enter_namespace();
    const Socket listener = listen_on(first_port);
    const Socket listener_v6 = listen_on(first_port, Family::v6);
    std::vector<Socket> clients, servers;
    for (int i = 0; i < 5; ++i) {
        clients.push_back(connect_to(first_port));
        servers.push_back(accept_from(listener));
    }
    clients.push_back(connect_to(first_port, Family::v6));
    servers.push_back(accept_from(listener_v6));
    // The first connection is answered, so that it can change from idle to request.
    clients[0].send("GET / HTTP/1.1\r\n\r\n");
    servers[0].send("HTTP/1.1 204 No Content\r\n\r\n");
    // A connection that was opened actively, from the monitored port to another one.
    const Socket others[] = {listen_on(first_port + 1), listen_on(first_port + 2)};
    const Socket active_before = connect_to(first_port + 1, Family::v4, first_port);

    jsguard::Detector detector;
    detector.load(options_for({first_port}), {});
    detector.attach();
    detector.adopt_sockets();
    detector.arm_clock();
    REQUIRE(wait_until(
        5, [&] { return last_window(detector, 1) && detector.reader().service(1).sequence >= 2; }));
    auto record = last_window(detector, 1);
    CHECK(record->sockets == 6);
    CHECK(record->idle_sockets == 1);
    CHECK(record->open_requests == 5);
    CHECK(detector.reader().service(1).listeners == 2);

    const auto in_cells = [&] {
        const auto sequence = detector.reader().service(1).sequence;
        const auto newer = reading(detector, 1, sequence),
                   older = reading(detector, 1, sequence - 1);
        std::uint32_t sum = 0;
        for (int i = 0; i < JSG_PHASE_CELLS; ++i) sum += newer.occupancy[i] - older.occupancy[i];
        return sum;
    };
    CHECK(in_cells() == 0);
    clients[0].send("GET / HT");
    CHECK(wait_until(5, [&] { return in_cells() == 1; }));

    // A new active connection gets no slot either, but its transitions count for the port.
    const Socket active_after = connect_to(first_port + 2, Family::v4, first_port);
    CHECK(remembered(detector) == 8);

    if (until_old) {
        // After 32 s the age is in the last bucket in any case.
        REQUIRE(wait_until(40, [&] { return in_cells() == 6; }));
        const auto sequence = detector.reader().service(1).sequence;
        const auto newer = reading(detector, 1, sequence),
                   older = reading(detector, 1, sequence - 1);
        const int oldest = JSG_REQUEST_SLOW * JSG_AGES + JSG_AGES - 1;
        CHECK(newer.occupancy[oldest] - older.occupancy[oldest] == 5);
    }

    clients.clear();
    servers.clear();
    CHECK(wait_until(5, [&] { return remembered(detector) == 2; }));
}

}  // namespace

TEST_CASE("a port with a connection at the start or later is monitored, and an excluded one is not",
          "[services][many ports]") {
    enter_namespace();
    const Socket before = listen_on(first_port);
    jsguard::Options options = options_for({});
    options.excluded_ports = {own_port(2), own_port(3)};
    const Socket client_before = connect_to(first_port);
    const Socket excluded_before = listen_on(first_port + 2);
    const Socket excluded_client = connect_to(first_port + 2);
    jsguard::Detector detector;
    detector.load(options, {});
    detector.attach();
    detector.adopt_sockets();
    detector.arm_clock();
    const Socket after = listen_on(first_port + 1, Family::v6);
    const Socket excluded_after = listen_on(first_port + 3);
    CHECK(service_id_of(detector, first_port) != 0);
    Socket client = connect_to(first_port + 1, Family::v6);
    const Socket excluded_later = connect_to(first_port + 3);
    CHECK(wait_until(1, [&] { return service_id_of(detector, first_port + 1) != 0; }));
    CHECK(service_id_of(detector, first_port + 2) == 0);
    CHECK(service_id_of(detector, first_port + 3) == 0);

    // The service's counters work from the first connection on.
    const std::uint32_t service_id = service_id_of(detector, first_port + 1);
    CHECK(wait_until(5, [&] {
        return counted(detector, service_id)[{JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED}] == 1;
    }));
    CHECK(wait_until(5, [&] {
        const auto service = detector.reader().service(service_id);
        return service.listeners == 1 && service.sockets == 1;
    }));
}

TEST_CASE("64 services are monitored at once, each with its own counts, and the 65th is counted",
          "[services][many ports]") {
    enter_namespace();
    std::vector<Socket> listeners;
    jsguard::Detector detector;
    detector.load(options_for_own_namespace(), {});
    detector.attach();
    detector.arm_clock();
    for (std::uint16_t i = 0; i < JSG_SERVICES; ++i)
        listeners.push_back(listen_on(static_cast<std::uint16_t>(first_port + i)));
    CHECK(detector.reader().monitored_ports().empty());
    for (std::uint16_t i = 0; i < JSG_SERVICES; ++i) {
        for (int n = 0; n <= i % 5; ++n)
            connect_to(static_cast<std::uint16_t>(first_port + i)).close();
    }
    for (std::uint16_t i = 0; i < JSG_SERVICES; ++i) {
        const auto service_id = service_id_of(detector, static_cast<std::uint16_t>(first_port + i));
        REQUIRE(service_id != 0);
        CHECK(counted(detector, service_id)[{JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED}] ==
              i % 5u + 1u);
    }
    CHECK(detector.reader().monitored_ports().size() == JSG_SERVICES);
    CHECK(detector.reader().stats().services_refused == 0);
    const Socket one_more = listen_on(first_port + JSG_SERVICES);
    for (int n = 0; n < 3; ++n) connect_to(first_port + JSG_SERVICES).close();
    CHECK(service_id_of(detector, first_port + JSG_SERVICES) == 0);
    CHECK(detector.reader().stats().services_refused ==
          1);  // a port counts once, however often it tries
}

TEST_CASE("a port without listener and socket for 60 s releases its service entry, empty",
          "[services][long]") {
    release_service_entry(0);
}

TEST_CASE("a port whose entry shows 55 s without use releases the entry soon, empty",
          "[services]") {
    const TimeCritical time_critical;
    release_service_entry(55);
}

TEST_CASE("a named port keeps its service entry though nobody listens", "[services]") {
    enter_namespace();
    jsguard::Detector detector;
    detector.load(options_for({first_port}), {});
    detector.attach();
    detector.arm_clock();
    REQUIRE(wait_until(5, [&] { return detector.reader().service(1).sequence >= 2; }));
    CHECK(detector.reader().service(1).pinned == 1);
    CHECK(service_id_of(detector, first_port) == 1);
}

TEST_CASE(
    "sockets from before the detector are live at once, and enter cells when their phase changes",
    "[services]") {
    adopt_open_sockets(false);
}

TEST_CASE("sockets from before the detector that do not change enter the oldest cells after 32 s",
          "[services][long]") {
    adopt_open_sockets(true);
}

TEST_CASE("an active connection from a monitored port is counted and gets no slot", "[services]") {
    enter_namespace();
    jsguard::Detector detector;
    detector.load(options_for({first_port}), {});
    detector.attach();
    const Socket other = listen_on(first_port + 1);
    Socket active = connect_to(first_port + 1, Family::v4, first_port);
    Transitions wanted;
    wanted[{JSG_TCP_CLOSE, JSG_TCP_SYN_SENT}] = 1;
    wanted[{JSG_TCP_SYN_SENT, JSG_TCP_ESTABLISHED}] = 1;
    CHECK(counted(detector, 1) == wanted);
    CHECK(remembered(detector) == 0);
}
