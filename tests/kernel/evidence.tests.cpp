// SPDX-License-Identifier: BSD-2-Clause
// Divergences that raise no alert: within the significance bound, of moving sockets, and of a
// service that fills or drains.
#include <algorithm>
#include <vector>

#include "inconclusive.hpp"
#include "recomputed.hpp"
#include "tests/catch_compat.hpp"
#include "usual.hpp"
#include "watched.hpp"

using namespace testbed;

namespace {

const std::uint16_t first_port = own_port(0);

// Connects clients that reset, and clients that close as in the usual baseline.
void end_connections(const Socket& listener, std::uint16_t port, int resets, int closes) {
    reset_clients(listener, port, resets);
    for (Ends& ends : connect_clients(listener, port, closes)) {
        ends.client.close();
        ends.server.wait_for_end();
    }
}

std::size_t count(const std::vector<jsg_alert>& alerts, std::uint16_t port, jsg_signal signal,
                  jsg_event event) {
    return static_cast<std::size_t>(
        std::count_if(alerts.begin(), alerts.end(), [&](const jsg_alert& alert) {
            return alert.port == port && alert.signal == signal && alert.event == event;
        }));
}

bool any_verdict(const std::vector<jsg_window>& windows, jsg_signal signal, jsg_verdict verdict) {
    return std::any_of(windows.begin(), windows.end(), [&](const jsg_window& record) {
        return record.signal[signal].verdict == verdict;
    });
}

}  // namespace

TEST_CASE(
    "a divergence within the significance bound gives no verdict, and more of it raises an alert",
    "[evidence][slow]") {
    const TimeCritical time_critical;
    const std::uint16_t busy = first_port, stalled = first_port + 1;
    jsguard::Options options = quick_options({busy, stalled});
    options.transition_threshold_nanobits = 50'000'000;
    const jsg_baseline usual = usual_baseline();
    Watched w(options, {{busy, usual}, {stalled, usual}});
    ReadingLog readings[] = {ReadingLog(w, 1), ReadingLog(w, 2)};
    const Socket listeners[] = {listen_on(busy), listen_on(stalled)};
    w.detector.arm_clock();
    std::uint64_t done = 0;
    // After each step of the first service, makes connections with an unusual mix of endings.
    const auto run_steps = [&](int times, auto until) {
        return w.wait(20, [&] {
            for (ReadingLog& log : readings) log.take();
            if (w.service(1).sequence != done) {
                done = w.service(1).sequence;
                end_connections(listeners[0], busy, 12 * times, 5 * times);
            }
            return until();
        });
    };
    auto few = connect_clients(listeners[1], stalled, 3);
    REQUIRE(run_steps(1, [&] { return done >= 6; }));
    CHECK(w.alerts.empty());
    for (const jsg_window& record : w.windows(1)) {
        CAPTURE(record.sequence);
        if (record.sequence < 4) continue;
        CHECK(record.transitions >= options.min_transitions);
        CHECK(record.signal[JSG_TRANSITIONS].js_nanobits > options.transition_threshold_nanobits);
        CHECK(record.signal[JSG_TRANSITIONS].js_nanobits <=
              record.signal[JSG_TRANSITIONS].significance_nanobits);
        CHECK(record.signal[JSG_TRANSITIONS].verdict == JSG_NOT_ENOUGH_TRAFFIC);
        CHECK(record.signal[JSG_TRANSITIONS].alert == JSG_QUIET);
    }
    for (const jsg_window& record : w.windows(2)) {
        CAPTURE(record.sequence);
        if (record.sequence < 4) continue;
        CHECK(record.signal[JSG_OCCUPANCY].js_nanobits > options.occupancy_threshold_nanobits);
        CHECK(record.signal[JSG_OCCUPANCY].verdict == JSG_NOT_ENOUGH_TRAFFIC);
        CHECK(record.signal[JSG_OCCUPANCY].alert == JSG_QUIET);
    }

    auto many = connect_clients(listeners[1], stalled, 60);
    const auto has = [&](jsg_event event) {
        return count(w.alerts, busy, JSG_TRANSITIONS, event) == 1 &&
               count(w.alerts, stalled, JSG_OCCUPANCY, event) == 1;
    };
    REQUIRE(run_steps(10, [&] { return has(JSG_RAISE); }));
    for (const jsg_alert& alert : w.alerts) {
        CHECK(alert.js_nanobits > alert.significance_nanobits);
        CHECK(alert.significance_nanobits > 0);
    }

    // Windows without a verdict clear the alert, though their divergences are above the threshold.
    many.clear();
    REQUIRE(run_steps(1, [&] { return has(JSG_CLEAR); }));
    const auto busy_windows = w.windows(1), stalled_windows = w.windows(2);
    const auto at_clear = [&](const std::vector<jsg_window>& windows, jsg_signal signal) {
        const auto last = std::find_if(
            windows.rbegin(), windows.rend(),
            [&](const jsg_window& record) { return record.signal[signal].alert == JSG_ALERT; });
        REQUIRE(last != windows.rbegin());
        return std::prev(last);
    };
    auto transitions = at_clear(busy_windows, JSG_TRANSITIONS);
    auto occupancy = at_clear(stalled_windows, JSG_OCCUPANCY);
    for (std::uint32_t i = 0; i < options.clear_windows; ++i, ++transitions, ++occupancy) {
        CHECK(transitions->signal[JSG_TRANSITIONS].verdict == JSG_NOT_ENOUGH_TRAFFIC);
        CHECK(transitions->signal[JSG_TRANSITIONS].js_nanobits >
              options.transition_threshold_nanobits);
        CHECK(occupancy->signal[JSG_OCCUPANCY].verdict == JSG_NOT_ENOUGH_TRAFFIC);
        CHECK(occupancy->signal[JSG_OCCUPANCY].js_nanobits > options.occupancy_threshold_nanobits);
    }

    // Every record equals the native arithmetic, and every window without a verdict is counted.
    const auto unjudged = [](const std::vector<jsg_window>& windows) {
        std::uint64_t number = 0;
        for (const jsg_window& record : windows)
            number += (record.signal[JSG_TRANSITIONS].verdict == JSG_NOT_ENOUGH_TRAFFIC) +
                      (record.signal[JSG_OCCUPANCY].verdict == JSG_NOT_ENOUGH_TRAFFIC);
        return number;
    };
    CHECK(wait_until(3, [&] {
        return w.detector.reader().stats().not_enough_traffic ==
               unjudged(w.windows(1)) + unjudged(w.windows(2));
    }));
    for (std::uint32_t service_id : {1U, 2U}) {
        readings[service_id - 1].take();
        CAPTURE(service_id);
        const auto windows = w.windows(service_id);
        for (std::size_t i = window_s; i + 1 < windows.size(); ++i)
            check_record(w, windows[i], readings[service_id - 1].at(i + 1),
                         readings[service_id - 1].at(i + 1 - window_s), &usual);
    }
}

TEST_CASE("moving uploads raise no alert, and as many slow or silent ones do", "[evidence]") {
    const TimeCritical time_critical;
    const std::uint16_t moving = first_port + 2, trickling = first_port + 3,
                        silent = first_port + 4;
    constexpr int clients = 30;
    constexpr int pause = 200;  // ms
    const jsguard::Options options = quick_options({moving, trickling, silent});
    jsg_baseline usual = usual_baseline();
    usual.judged_socket_seconds = usual.occupancy_socket_seconds[JSG_REQUEST_SLOW * JSG_AGES] = 30;
    Watched w(options, {{moving, usual}, {trickling, usual}, {silent, usual}});
    const Socket listeners[] = {listen_on(moving), listen_on(trickling), listen_on(silent)};
    std::vector<Ends> clients_of[3];
    const auto upload = [&](const std::vector<Ends>& uploads, std::uint32_t bytes_a_second) {
        for (const Ends& ends : uploads) ends.client.send_bytes(bytes_a_second * pause / 1000);
    };
    for (std::size_t i = 0; i < 3; ++i)
        clients_of[i] =
            connect_clients(listeners[i], static_cast<std::uint16_t>(moving + i), clients);
    for (const Ends& ends : clients_of[0]) ends.client.send_bytes(2 * options.min_rate);
    w.detector.arm_clock();
    REQUIRE(w.wait(20, [&] {
        upload(clients_of[0], 3 * options.min_rate);
        upload(clients_of[1], options.min_rate * 3 / 4);
        pause_ms(pause);
        return count(w.alerts, trickling, JSG_OCCUPANCY, JSG_RAISE) &&
               count(w.alerts, silent, JSG_OCCUPANCY, JSG_RAISE) && w.service(1).sequence >= 6;
    }));
    CHECK(count(w.alerts, moving, JSG_OCCUPANCY, JSG_RAISE) == 0);
    for (const jsg_window& record : w.windows(1)) {
        CAPTURE(record.sequence);
        CHECK(record.signal[JSG_OCCUPANCY].alert == JSG_QUIET);
        if (record.sequence <= window_s) continue;
        CHECK(record.open_millisockets == clients * 1000);
        CHECK(record.excess_millisockets >= options.min_sockets * 1000);
        CHECK(record.signal[JSG_OCCUPANCY].js_nanobits > options.occupancy_threshold_nanobits);
        CHECK(record.signal[JSG_OCCUPANCY].js_nanobits >
              record.signal[JSG_OCCUPANCY].significance_nanobits);
        CHECK(record.stalled_millisockets < options.min_sockets * 1000);
        CHECK(record.signal[JSG_OCCUPANCY].verdict == JSG_MOVING);
    }
    for (const jsg_alert& alert : w.alerts) {
        CHECK(alert.open_millisockets == clients * 1000);
        CHECK(alert.stalled_millisockets == clients * 1000);
    }
}

TEST_CASE("300 connections that only open, or only close, raise no alert, and both at once do",
          "[evidence]") {
    const TimeCritical time_critical;
    const std::uint16_t unbalanced = first_port + 5, balanced = first_port + 6;
    constexpr int connections = 300;
    Watched w(quick_options({unbalanced, balanced}),
              {{unbalanced, usual_baseline()}, {balanced, usual_baseline()}});
    const Socket listeners[] = {listen_on(unbalanced), listen_on(balanced)};
    w.detector.arm_clock();
    REQUIRE(w.wait_for_steps(1, 1));
    std::vector<Ends> open;
    for (int i = 0; i < 3; ++i) {
        for (Ends& ends : connect_clients(listeners[0], unbalanced, connections / 3))
            open.push_back(std::move(ends));
        REQUIRE(w.wait_for_steps(1, 1));
    }
    // The second service's step comes after the first's. From here both have a whole step's time.
    REQUIRE(w.wait_for_steps(2, window_s + 1));
    const auto opened = w.service(1).sequence;
    for (Ends& ends : open) ends.client.reset();
    reset_clients(listeners[1], balanced, connections);
    REQUIRE(w.wait_for_steps(1, window_s + 2));
    REQUIRE(w.wait_for_steps(2, 1));

    CHECK(count(w.alerts, unbalanced, JSG_TRANSITIONS, JSG_RAISE) == 0);
    CHECK(count(w.alerts, balanced, JSG_TRANSITIONS, JSG_RAISE) == 1);
    const auto windows = w.windows(1);
    std::size_t opening = 0, closing = 0;
    for (const jsg_window& record : windows) {
        CAPTURE(record.sequence);
        CHECK(record.signal[JSG_TRANSITIONS].alert == JSG_QUIET);
        CHECK(record.signal[JSG_TRANSITIONS].verdict != JSG_ABOVE);
        if (record.signal[JSG_TRANSITIONS].verdict != JSG_UNBALANCED) continue;
        CHECK(record.signal[JSG_TRANSITIONS].js_nanobits >
              record.signal[JSG_TRANSITIONS].significance_nanobits);
        ++(record.sequence <= opened ? opening : closing);
    }
    CHECK(opening >= window_s);
    CHECK(closing == window_s);
    CHECK(any_verdict(w.windows(2), JSG_TRANSITIONS, JSG_ABOVE));
}
