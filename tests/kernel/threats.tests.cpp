// SPDX-License-Identifier: BSD-2-Clause
// What an attacker who knows the detector can do, and how the detector reacts. See
// docs/SECURITY.md.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "inconclusive.hpp"
#include "tests/catch_compat.hpp"
#include "usual.hpp"
#include "watched.hpp"

using namespace testbed;

namespace {

const std::uint16_t first_port = own_port(0);
constexpr int attack_connections = 60;  // they raise an alert if nothing hides them

bool is_alerted(const std::vector<jsg_alert>& alerts, std::uint16_t port) {
    return std::any_of(alerts.begin(), alerts.end(),
                       [&](const jsg_alert& alert) { return alert.port == port; });
}

// A usual service that has half a socket open on average.
jsg_baseline small_baseline() {
    jsg_baseline baseline = usual_baseline();
    baseline.judged_socket_seconds =
        baseline.occupancy_socket_seconds[JSG_REQUEST_SLOW * JSG_AGES] = 30;
    return baseline;
}

// Connects clients that get an answer and remain connected.
std::vector<Ends> connect_answered_clients(const Socket& listener, std::uint16_t port,
                                           int connections) {
    std::vector<Ends> clients = connect_clients(listener, port, connections);
    for (const Ends& ends : clients) {
        ends.client.send("GET / HTTP/1.1\r\n\r\n");
        ends.server.send("HTTP/1.1 204 No Content\r\n\r\n");
    }
    return clients;
}

// Gives the options another pin directory, for two detectors at the same time.
jsguard::Options options_in(jsguard::Options options, const std::string& name) {
    options.pin_dir = own_pin_dir(name);
    return options;
}

template <typename Number>
// The maximum of a field in all windows.
std::uint32_t max_of(const std::vector<jsg_window>& windows, Number jsg_window::*field) {
    std::uint32_t found = 0;
    for (const jsg_window& record : windows)
        found = std::max(found, static_cast<std::uint32_t>(record.*field));
    return found;
}

}  // namespace

TEST_CASE("an attack that sends twice --min-rate raises no alert until it stops sending",
          "[threats]") {
    const TimeCritical time_critical;
    const std::uint16_t port = first_port;
    constexpr int pause = 100;  // ms
    const jsguard::Options options = quick_options({port});
    Watched w(options, {{port, small_baseline()}});
    const Socket listener = listen_on(port);
    const auto attackers = connect_clients(listener, port, attack_connections);
    for (const Ends& ends : attackers) ends.client.send_bytes(2 * options.min_rate);
    w.detector.arm_clock();
    REQUIRE(w.wait(20, [&] {
        for (const Ends& ends : attackers)
            ends.client.send_bytes(2 * options.min_rate * pause / 1000);
        pause_ms(pause);
        return w.service(1).sequence >= 8;
    }));
    CHECK(w.alerts.empty());
    for (const jsg_window& record : w.windows(1)) {
        CAPTURE(record.sequence);
        if (record.sequence <= window_s) continue;
        CHECK(record.signal[JSG_OCCUPANCY].verdict == JSG_MOVING);
        CHECK(record.excess_millisockets >= options.min_sockets * 1000);
        CHECK(record.stalled_excess_millisockets < options.min_sockets * 1000);
    }
    CHECK(w.wait(10, [&] { return is_alerted(w.alerts, port); }));
}

TEST_CASE(
    "57 stalled connections on three ports, 19 on each, raise no alert, and on one port they do",
    "[threats]") {
    const std::uint16_t together = first_port + 4;
    constexpr int ports = 3, each = 19;
    std::vector<std::uint16_t> all{together};
    jsguard::Baselines baselines{{together, small_baseline()}};
    for (std::uint16_t i = 1; i <= ports; ++i) {
        all.push_back(static_cast<std::uint16_t>(first_port + i));
        baselines[all.back()] = small_baseline();
    }
    const jsguard::Options options = quick_options(all);
    REQUIRE(options.min_sockets == each + 1);
    Watched w(options, baselines);
    std::vector<Socket> listeners;
    std::vector<std::vector<Ends>> stalled;
    for (const std::uint16_t port : all) {
        listeners.push_back(listen_on(port));
        stalled.push_back(
            connect_clients(listeners.back(), port, port == together ? ports * each : each));
    }
    w.detector.arm_clock();
    CHECK(w.wait(15, [&] { return is_alerted(w.alerts, together); }));
    REQUIRE(w.wait_for_steps(ports + 1, 2 * window_s));
    CHECK(w.alerts.size() == 1);
    for (std::uint32_t service_id = 2; service_id <= ports + 1; ++service_id) {
        const auto windows = w.windows(service_id);
        CAPTURE(service_id);
        CHECK(windows.back().open_requests == each);
        CHECK(windows.back().stalled_millisockets == each * 1000);
        CHECK(windows.back().signal[JSG_OCCUPANCY].js_nanobits >
              options.occupancy_threshold_nanobits);
        for (const jsg_window& record : windows)
            CHECK(record.signal[JSG_OCCUPANCY].verdict != JSG_ABOVE);
    }
}

TEST_CASE("connections that stall in pulses count by their socket-seconds in the window",
          "[threats][slow]") {
    const TimeCritical time_critical;
    const std::uint16_t large = first_port + 5, small = first_port + 6;
    constexpr int in_large = 240, in_small = 36;
    jsguard::Options options = quick_options({large, small});
    options.window_s = 4;
    options.min_transitions = 1'000'000;
    Watched w(options, {{large, small_baseline()}, {small, small_baseline()}});
    const Socket listeners[] = {listen_on(large), listen_on(small)};
    w.detector.arm_clock();
    for (int pulse = 0; pulse < 4; ++pulse) {
        auto stalled = connect_clients(listeners[0], large, in_large),
             few = connect_clients(listeners[1], small, in_small);
        REQUIRE(w.wait_for_steps(1, 1));
        stalled.clear();
        few.clear();
        REQUIRE(w.wait_for_steps(1, 3));
    }
    CHECK(is_alerted(w.alerts, large));
    CHECK_FALSE(is_alerted(w.alerts, small));
    const auto windows = w.windows(2);
    CHECK(max_of(windows, &jsg_window::open_requests) > options.min_sockets);
    CHECK(max_of(windows, &jsg_window::excess_millisockets) < options.min_sockets * 1000);
}

TEST_CASE("resets beside new connections that become idle are unbalanced, and raise no alert",
          "[threats]") {
    const TimeCritical time_critical;
    const std::uint16_t hidden = first_port + 7, plain = first_port + 8;
    constexpr int resets = 300, staying = 400;
    Watched w(quick_options({hidden, plain}),
              {{hidden, usual_baseline()}, {plain, usual_baseline()}});
    const Socket listeners[] = {listen_on(hidden), listen_on(plain)};
    w.detector.arm_clock();
    REQUIRE(w.wait_for_steps(2, 1));
    const auto cover = connect_answered_clients(listeners[0], hidden, staying);
    reset_clients(listeners[0], hidden, resets);
    reset_clients(listeners[1], plain, resets);
    REQUIRE(w.wait(15, [&] { return is_alerted(w.alerts, plain); }));
    REQUIRE(w.wait_for_steps(1, window_s + 2));
    CHECK_FALSE(is_alerted(w.alerts, hidden));
    const auto windows = w.windows(1);
    CHECK(windows.back().idle_sockets == staying);
    CHECK(std::count_if(windows.begin(), windows.end(), [](const jsg_window& record) {
              return record.signal[JSG_TRANSITIONS].verdict == JSG_UNBALANCED;
          }) >= window_s);
}

TEST_CASE(
    "stalled connections below the evidence are relearned, with a warning from --min-sockets on",
    "[threats][slow]") {
    const TimeCritical time_critical;
    const std::uint16_t few = first_port + 9, many = first_port + 10, control = first_port + 11;
    constexpr int creeping[] = {21,
                                30};  // a baseline needs 20, and the evidence is an excess of 25
    constexpr int later = 55;
    jsguard::Options options = quick_options({few, many, control});
    options.min_sockets = 25;
    options.min_transitions = 1'000'000;
    const jsg_baseline usual = usual_baseline();
    Watched w(options, {{few, usual}, {many, usual}, {control, usual}});
    const Socket listeners[] = {listen_on(few), listen_on(many), listen_on(control)};
    std::vector<Ends> stalled[3];
    const auto port_of = [&](std::size_t i) { return static_cast<std::uint16_t>(few + i); };
    for (std::size_t i = 0; i < 2; ++i)
        stalled[i] = connect_clients(listeners[i], port_of(i), creeping[i]);
    w.detector.arm_clock();
    REQUIRE(w.wait_for_steps(2, JSG_OLD_S + 2));  // the connections are old from then on
    CHECK(w.service(1).warnings == 0);
    w.detector.reader().request_relearning();
    std::uint64_t done = 0;
    REQUIRE(w.wait(JSG_LEARN_DELAY_STEPS + options.learn_s + 12, [&] {
        if (w.service(1).sequence != done) {
            done = w.service(1).sequence;
            for (std::size_t i = 0; i < 2; ++i) reset_clients(listeners[i], port_of(i), 40);
        }
        return w.service(1).baselines_learned == 1 && w.service(2).baselines_learned == 1;
    }));
    CHECK(w.alerts.empty());
    CHECK((w.service(1).warnings & JSG_WARN_LIKE_ATTACK) == 0);
    CHECK((w.service(2).warnings & JSG_WARN_LIKE_ATTACK) == JSG_WARN_OLD_AND_STALLED);

    // A number of connections that raises an alert by the old baseline is usual by the new one.
    for (std::size_t i = 0; i < 3; ++i) {
        const int more = later - static_cast<int>(stalled[i].size());
        for (Ends& ends : connect_clients(listeners[i], port_of(i), more))
            stalled[i].push_back(std::move(ends));
    }
    REQUIRE(w.wait(15, [&] { return is_alerted(w.alerts, control); }));
    REQUIRE(w.wait_for_steps(1, 2 * window_s));
    CHECK_FALSE(is_alerted(w.alerts, few));
    CHECK_FALSE(is_alerted(w.alerts, many));
    CHECK(last_window(w.detector, 1)->stalled_millisockets == later * 1000);
    CHECK(last_window(w.detector, 1)->expected_millisockets >= creeping[0] * 1000);
}

TEST_CASE("ports that others listen on push out no named port, and none that has its entry",
          "[threats][many ports]") {
    const std::uint16_t named = first_port + 20, usual = first_port + 21, others = first_port + 25;
    enter_namespace();
    jsguard::Detector of_named, of_all;
    of_named.load(options_in(options_for({named}), "named"), {});
    of_all.load(options_in(options_for({}), "all"), {});
    for (jsguard::Detector* detector : {&of_named, &of_all}) {
        detector->attach();
        detector->arm_clock();
    }
    const auto visit = [](std::uint16_t port) { connect_to(port).close(); };
    std::optional<Socket> server(listen_on(usual));
    visit(usual);
    REQUIRE(wait_until(1, [&] { return service_id_of(of_all, usual) != 0; }));
    const std::uint32_t service_id = service_id_of(of_all, usual);
    std::vector<Socket> greedy;
    for (std::uint16_t i = 0; i < JSG_SERVICES + 10; ++i) {
        greedy.push_back(listen_on(static_cast<std::uint16_t>(others + i)));
        visit(static_cast<std::uint16_t>(others + i));
    }
    CHECK(of_named.reader().monitored_ports() == std::vector<std::uint16_t>{named});
    CHECK(of_named.reader().stats().services_refused == 0);
    CHECK(of_all.reader().monitored_ports().size() == JSG_SERVICES);
    CHECK(of_all.reader().stats().services_refused >= 11);

    // A server that is started again while this happens keeps its entry, and a new one gets none.
    server.reset();
    pause_ms(2000);
    server.emplace(listen_on(usual));
    visit(usual);
    CHECK(service_id_of(of_all, usual) == service_id);
    const Socket late = listen_on(usual + 1);
    visit(usual + 1);
    CHECK(service_id_of(of_all, usual + 1) == 0);
    const Socket named_later = listen_on(named);
    const Socket client = connect_to(named);
    CHECK(counted(of_named, 1)[{JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED}] == 1);
}

TEST_CASE("traffic of another network namespace on a monitored port counts, but not with --netns",
          "[threats]") {
    const std::uint16_t port = first_port + 12;
    enter_namespace();
    const OtherNamespace other;
    jsguard::Options options = options_in(quick_options({port}), "all");
    Watched of_all(options, {{port, small_baseline()}});
    options = options_in(options, "own");
    options.netns = std::to_string(getpid());
    Watched own(options, {{port, small_baseline()}});
    const Socket listener = listen_on(port);
    for (Watched* w : {&of_all, &own}) w->detector.arm_clock();
    std::optional<Socket> its_listener;
    std::vector<Ends> stalled;
    other.run([&] {
        its_listener.emplace(listen_on(port));
        stalled = connect_clients(*its_listener, port, attack_connections);
    });
    REQUIRE(of_all.wait(15, [&] {
        own.take_alerts();
        return is_alerted(of_all.alerts, port);
    }));
    REQUIRE(own.wait_for_steps(1, 2 * window_s));
    CHECK(own.alerts.empty());
    CHECK(max_of(own.windows(1), &jsg_window::sockets) == 0);
}

TEST_CASE(
    "quick exchanges hide stalled connections, up to twice the number that is expected with them",
    "[threats]") {
    const TimeCritical time_critical;
    const std::uint16_t paid = first_port + 13, unpaid = first_port + 14;
    constexpr int a_step = 200;  // twenty times the usual exchanges: 100 open are expected
    Watched w(quick_options({paid, unpaid}),
              {{paid, usual_baseline()}, {unpaid, usual_baseline()}});
    const Socket listeners[] = {listen_on(paid), listen_on(unpaid)};
    w.detector.arm_clock();
    std::uint64_t done = 0, first = 0;
    std::vector<Ends> stalled, without;
    REQUIRE(w.wait(30, [&] {
        if (w.service(1).sequence == done) return false;
        done = w.service(1).sequence;
        for (Ends& ends : connect_clients(listeners[0], paid, a_step)) {
            ends.client.close();
            ends.server.wait_for_end();
        }
        if (done > window_s && !first) {
            first = done;
            stalled = connect_clients(listeners[0], paid, attack_connections);
            without = connect_clients(listeners[1], unpaid, attack_connections);
        }
        return first && done > first + 3 * window_s;
    }));
    CHECK(is_alerted(w.alerts, unpaid));
    CHECK_FALSE(is_alerted(w.alerts, paid));
    const auto windows = w.windows(1);
    CHECK(windows.back().stalled_millisockets >= attack_connections * 1000);
    CHECK(windows.back().signal[JSG_OCCUPANCY].verdict == JSG_NO_EXCESS);
}
