// SPDX-License-Identifier: BSD-2-Clause
// Alerts, window records and services that find no room are counted exactly.
#include "common/losses.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "inconclusive.hpp"
#include "load/progress.hpp"
#include "tests/catch_compat.hpp"
#include "tests/ring_filling.hpp"
#include "usual.hpp"
#include "watched.hpp"

using namespace testbed;

namespace {

const std::uint16_t first_port = own_port(0);

// Returns what a function writes to stderr.
std::string stderr_of(const std::function<void()>& function) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), std::fclose);
    const Socket saved(dup(STDERR_FILENO));
    REQUIRE(dup2(fileno(file.get()), STDERR_FILENO) == STDERR_FILENO);
    function();
    std::fflush(stderr);
    dup2(saved.fd(), STDERR_FILENO);
    std::string text(4096, ' ');
    std::rewind(file.get());
    text.resize(std::fread(text.data(), 1, text.size(), file.get()));
    return text;
}

bool is_up(jsg_alert_state state) { return state == JSG_ALERT; }

// How often the records of a service show that an alert was raised or cleared.
std::uint64_t changes_in_records(const Watched& w, std::uint32_t service_id) {
    std::uint64_t changes = 0;
    jsg_window before{};
    for (const jsg_window& record : w.windows(service_id)) {
        changes += is_up(record.signal[JSG_TRANSITIONS].alert) !=
                   is_up(before.signal[JSG_TRANSITIONS].alert);
        changes +=
            is_up(record.signal[JSG_OCCUPANCY].alert) != is_up(before.signal[JSG_OCCUPANCY].alert);
        before = record;
    }
    return changes;
}

}  // namespace

TEST_CASE(
    "with a slow reader, delivered and lost alerts are all alerts, and their numbers show the gaps",
    "[losses][slow]") {
    constexpr std::uint16_t services = 16;
    constexpr std::uint64_t room = 10;
    std::vector<std::uint16_t> ports;
    jsguard::Baselines baselines;
    for (std::uint16_t i = 0; i < services; ++i) {
        ports.push_back(static_cast<std::uint16_t>(first_port + i));
        baselines[ports.back()] = usual_baseline();
    }
    Watched w(quick_options(ports), baselines);
    w.detector.arm_clock();
    leave_room(bpf_map__fd(w.detector.skeleton().maps.alerts), room);
    const auto alerts_up = [&] {
        const auto all = w.detector.reader().services();
        return std::count_if(all.begin(), all.end(),
                             [](const jsg_service& service) { return jsg_alert_is_up(&service); });
    };
    {
        std::vector<Socket> listeners;
        std::vector<std::vector<Ends>> attackers;
        for (const std::uint16_t port : ports) {
            listeners.push_back(listen_on(port));
            attackers.push_back(connect_clients(listeners.back(), port, 60));
        }
        REQUIRE(wait_until(20, [&] { return alerts_up() == services; }));  // nobody reads
    }
    REQUIRE(wait_until(20, [&] { return alerts_up() == 0; }));
    REQUIRE(wait_until(2, [&] { return last_window(w.detector, services).has_value(); }));

    std::uint64_t changes = 0;
    for (std::uint32_t service_id = 1; service_id <= services; ++service_id)
        changes += changes_in_records(w, service_id);
    const jsg_stats stats = w.detector.reader().stats();
    CHECK(stats.alerts >= services);
    CHECK(changes == 2 * stats.alerts);
    w.take_alerts();
    CHECK(w.alerts.size() == room);
    CHECK(stats.alerts_lost == changes - room);
    CHECK(jsguard::losses_text(stats).find(fmt::format("{} alerts (the ring buffer was full)",
                                                       changes - room)) != std::string::npos);
    std::uint64_t delivered = 0;
    for (const jsg_alert& alert : w.alerts) delivered += alert.event == JSG_RAISE;

    // The reader continues: the next alert comes, and its number shows how many were raised before
    // it.
    const Socket listener = listen_on(ports[0]);
    const auto attackers = connect_clients(listener, ports[0], 60);
    REQUIRE(w.wait(10, [&] { return w.alerts.size() > room; }));
    const std::uint64_t gaps = stats.alerts - delivered;
    CHECK(gaps > 0);
    CHECK(w.alerts[room].event == JSG_RAISE);
    CHECK(w.alerts[room].number == delivered + gaps + 1);
    CHECK(w.detector.reader().stats().alerts_lost == changes - room);
}

TEST_CASE("window records that find no room are counted, and judging continues", "[losses]") {
    const std::uint16_t port = first_port + 30;
    Watched w(quick_options({port}), {{port, usual_baseline()}});
    const int windows = bpf_map__fd(w.detector.skeleton().maps.windows);
    const auto foreign_key = [](std::uint32_t i) {
        return jsg_window_key{JSG_SERVICE_ENTRIES + i / JSG_WINDOWS_KEPT, i % JSG_WINDOWS_KEPT};
    };
    constexpr std::uint32_t all = JSG_SERVICES * JSG_WINDOWS_KEPT;
    const jsg_window foreign{};
    for (std::uint32_t i = 0; i < all; ++i) {
        const jsg_window_key key = foreign_key(i);
        REQUIRE(bpf_map_update_elem(windows, &key, &foreign, BPF_NOEXIST) == 0);
    }
    const Socket listener = listen_on(port);
    w.detector.arm_clock();
    const auto attackers = connect_clients(listener, port, 60);
    REQUIRE(w.wait(15, [&] { return !w.alerts.empty(); }));
    CHECK(w.alerts[0].event == JSG_RAISE);
    CHECK_FALSE(last_window(w.detector, 1));
    const auto all_lost = [&] {
        const jsg_stats stats = w.detector.reader().stats();
        return stats.windows_lost >= 2 && stats.windows_lost == stats.windows;
    };
    CHECK(wait_until(1, all_lost));  // a window may be closing just now
    CHECK(jsguard::losses_text(w.detector.reader().stats()).find("window records") !=
          std::string::npos);

    for (std::uint32_t i = 0; i < all; ++i) {
        const jsg_window_key key = foreign_key(i);
        REQUIRE(bpf_map_delete_elem(windows, &key) == 0);
    }
    REQUIRE(w.wait(5, [&] { return last_window(w.detector, 1).has_value(); }));
    const std::uint64_t lost = w.detector.reader().stats().windows_lost;
    REQUIRE(w.wait_for_steps(1, 2));
    CHECK(w.detector.reader().stats().windows_lost == lost);
}

TEST_CASE("a port that found no service entry gets one that another port releases",
          "[losses][many ports]") {
    const TimeCritical time_critical;
    enter_namespace();
    const std::uint16_t first = first_port + 33, refused = first + JSG_SERVICES;
    jsguard::Detector detector;
    detector.load(options_for_own_namespace(), {});
    detector.attach();
    detector.arm_clock();
    std::vector<Socket> listeners;
    for (std::uint16_t i = 0; i < JSG_SERVICES; ++i) {
        listeners.push_back(listen_on(static_cast<std::uint16_t>(first + i)));
        connect_to(static_cast<std::uint16_t>(first + i)).close();
    }
    const Socket last_listener = listen_on(refused);
    connect_to(refused).close();
    REQUIRE(service_id_of(detector, refused) == 0);
    REQUIRE(detector.reader().stats().services_refused == 1);
    CHECK(jsguard::losses_text(detector.reader().stats())
              .starts_with("1 port not monitored at first (no service entry was free)"));

    const jsguard::Options options = options_for({});
    jsguard::Progress progress(options, false);
    CHECK(stderr_of([&] { progress.update(detector.reader()); }) ==
          "1 port found no service entry, because all 64 are taken; name the ports that matter "
          "with --localport\n");
    CHECK(stderr_of([&] { progress.update(detector.reader()); }).empty());

    const std::uint32_t service_id = service_id_of(detector, first);
    listeners[0].close();
    const auto service = [&] { return detector.reader().service(service_id); };
    REQUIRE(wait_until(5, [&] { return service().sequence >= 2 && service().listeners == 0; }));
    // The port that was refused tries again with each connection. An entry is wanted, so the first
    // port loses its entry before the minute is over.
    REQUIRE(wait_until(15, [&] {
        connect_to(refused).close();
        pause_ms(50);
        return service_id_of(detector, refused) != 0;
    }));
    CHECK(service_id_of(detector, first) == 0);
    CHECK(service_id_of(detector, refused) == service_id);
    CHECK(detector.reader().stats().services_refused == 1);
}
