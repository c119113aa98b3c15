// SPDX-License-Identifier: BSD-2-Clause
// Alerts and clears: scripted sockets, and what the real BPF object reports in its ring buffer and
// records.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "common/cells.hpp"
#include "inconclusive.hpp"
#include "load/skeleton.hpp"
#include "tests/catch_compat.hpp"
#include "tests/ring_filling.hpp"
#include "usual.hpp"
#include "watched.hpp"

using namespace testbed;

namespace {

const std::uint16_t first_port = own_port(0);

// Checks that the cells are sorted, are part of the divergence, and have names that begin like
// these.
void check_top_cells(const jsg_alert& alert, std::span<const std::string> beginnings) {
    REQUIRE(alert.top_count >= 1);
    REQUIRE(alert.top_count <= JSG_TOP_CELLS);
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < alert.top_count; ++i) {
        const jsg_top_cell& cell = alert.top[i];
        const std::string name = jsguard::cell_name(alert.signal, cell.cell);
        CAPTURE(i, name);
        if (i > 0) CHECK(cell.nanobits <= alert.top[i - 1].nanobits);
        CHECK(cell.nanobits > 0);
        CHECK(std::any_of(beginnings.begin(), beginnings.end(),
                          [&](const std::string& begin) { return name.starts_with(begin); }));
        sum += cell.nanobits;
    }
    CHECK(sum <= alert.js_nanobits + JSG_TOP_CELLS);
}

// Checks that the verdicts of the records explain their alert states, and the raise and the clear
// that came.
void check_alerts_follow_windows(const std::vector<jsg_window>& windows, const jsg_config& config,
                                 const jsg_alert& raise, const jsg_alert& clear) {
    jsg_alert_track track{};
    int raises = 0, clears = 0;
    std::uint64_t raised_ns = 0;
    for (const jsg_window& record : windows) {
        CAPTURE(record.sequence);
        const jsg_change change =
            jsg_track(&track, &config, record.signal[JSG_OCCUPANCY].verdict,
                      record.signal[JSG_OCCUPANCY].js_nanobits, record.end_ns, record.end_unix_ms);
        CHECK(record.signal[JSG_OCCUPANCY].alert == track.state);
        if (change == JSG_NO_CHANGE) continue;
        const jsg_alert& alert = change == JSG_RAISED ? raise : clear;
        ++(change == JSG_RAISED ? raises : clears);
        if (change == JSG_RAISED) raised_ns = record.end_ns;
        CHECK(alert.duration_ns == (change == JSG_RAISED ? 0 : record.end_ns - raised_ns));
        CHECK(alert.at_unix_ms == record.end_unix_ms);
        CHECK(alert.since_unix_ms == track.since_unix_ms);
        CHECK(alert.peak_nanobits == track.peak_nanobits);
        CHECK(alert.js_nanobits == record.signal[JSG_OCCUPANCY].js_nanobits);
        CHECK(alert.transitions == record.transitions);
        CHECK(alert.sockets == record.sockets);
        CHECK(alert.open_requests == record.open_requests);
        CHECK(alert.open_millisockets == record.open_millisockets);
        CHECK(alert.expected_millisockets == record.expected_millisockets);
        CHECK(alert.stalled_millisockets == record.stalled_millisockets);
        CHECK(alert.significance_nanobits == record.signal[JSG_OCCUPANCY].significance_nanobits);
    }
    CHECK(raises == 1);
    CHECK(clears == 1);
}

}  // namespace

TEST_CASE(
    "60 stalled connections raise one alert, clear it once and are never learned, 22 are normal",
    "[alerts][slow]") {
    const TimeCritical time_critical;
    const std::uint16_t attacked = first_port + 2, small = first_port + 3;
    constexpr int usual_number = 22;  // enough for a baseline, and below the evidence
    jsguard::Options options = quick_options({attacked, small});
    options.learn_s = 2;
    options.min_sockets = 25;
    // So during the alert there are more quiet steps than the delay of late learning.
    options.clear_windows = JSG_LEARN_DELAY_STEPS + 3;
    Watched w(options);
    const Socket listeners[] = {listen_on(attacked), listen_on(small)};
    w.detector.arm_clock();
    REQUIRE(w.wait_for_mode(1, JSG_STILL_LEARNING));
    REQUIRE(w.wait_for_mode(2, JSG_STILL_LEARNING));
    const jsg_baseline before = w.detector.reader().pending_baseline(1);
    CHECK(before.learned_s == 2);

    auto attackers = connect_clients(listeners[0], attacked, 60);
    const auto few = connect_clients(listeners[1], small, usual_number);
    reset_clients(listeners[1], small, 40);
    REQUIRE(w.wait(15, [&] { return !w.alerts.empty(); }));
    const jsg_alert raise = w.alerts[0];
    CHECK(raise.event == JSG_RAISE);
    CHECK(raise.signal == JSG_OCCUPANCY);
    CHECK(raise.port == attacked);
    CHECK(raise.number == 1);
    CHECK(raise.open_requests == 60);
    CHECK(raise.sockets == 60);
    CHECK(raise.open_millisockets == 60'000);
    CHECK(raise.js_nanobits > raise.threshold_nanobits);
    CHECK(raise.threshold_nanobits == options.occupancy_threshold_nanobits);
    CHECK(raise.window_s == window_s);
    const std::string of_occupancy[] = {"request slow", "more open than expected"};
    check_top_cells(raise, of_occupancy);
    CHECK(std::any_of(raise.top, raise.top + raise.top_count, [](const jsg_top_cell& cell) {
        return cell.cell / JSG_AGES == JSG_REQUEST_SLOW && cell.window_ppb > 0;
    }));

    REQUIRE(w.wait_for_steps(1, 2));
    CHECK(w.alerts.size() == 1);  // an alert that is up is not raised again
    attackers.clear();
    REQUIRE(w.wait(25, [&] { return w.alerts.size() > 1; }));
    const jsg_alert clear = w.alerts[1];
    CHECK(clear.event == JSG_CLEAR);
    CHECK(clear.signal == JSG_OCCUPANCY);
    CHECK(clear.port == attacked);
    CHECK(clear.number == 1);
    CHECK(clear.peak_nanobits >= raise.js_nanobits);
    CHECK(clear.top_count == 0);
    // Steps during the alert were not learned, though at least the last eleven were quiet.
    const jsg_baseline at_clear = w.detector.reader().pending_baseline(1);
    CHECK(std::memcmp(&at_clear, &before, sizeof(before)) == 0);

    // Later steps are learned, and none of them has the attack.
    REQUIRE(w.wait(
        15, [&] { return w.detector.reader().pending_baseline(1).learned_s > before.learned_s; }));
    const auto windows = w.windows(1);
    const auto last_during_alert = std::find_if(
        windows.rbegin(), windows.rend(),
        [](const jsg_window& record) { return record.signal[JSG_OCCUPANCY].alert == JSG_ALERT; });
    REQUIRE(last_during_alert != windows.rend());
    CHECK(windows.back().sequence > last_during_alert->sequence + JSG_LEARN_DELAY_STEPS);
    const jsg_baseline after = w.detector.reader().pending_baseline(1);
    CHECK(after.transitions == before.transitions);
    CHECK(after.exchanges == before.exchanges);
    CHECK(after.judged_socket_seconds == 0);
    CHECK(after.waiting_socket_seconds == 0);

    CHECK(w.alerts.size() == 2);
    CHECK(w.detector.reader().stats().alerts == 1);
    CHECK(w.detector.reader().stats().alerts_lost == 0);
    CHECK(w.detector.reader().stats().windows_lost == 0);
    check_alerts_follow_windows(windows, w.detector.reader().config(), raise, clear);
    for (const jsg_window& record : windows) {
        CAPTURE(record.sequence);
        CHECK(record.port == attacked);
        CHECK(record.sampled_ppm == 1'000'000);
        CHECK(record.signal[JSG_TRANSITIONS].verdict == JSG_NOT_JUDGED);
        CHECK(record.signal[JSG_TRANSITIONS].alert == JSG_QUIET);
    }

    // The 22 connections are below the evidence. So they raise no alert, and are learned in the
    // end.
    CHECK(w.service(2).mode == JSG_MONITORING);
    const jsg_baseline usual = w.baseline(2);
    CHECK(usual.judged_socket_seconds >= JSG_BASELINE_SOCKET_SECONDS);
    int diverging = 0;
    for (const jsg_window& record : w.windows(2)) {
        CAPTURE(record.sequence);
        CHECK(record.port == small);
        CHECK(record.sockets <= static_cast<std::uint32_t>(usual_number));
        const bool is_small = record.signal[JSG_OCCUPANCY].verdict <= JSG_NORMAL ||
                              record.signal[JSG_OCCUPANCY].verdict == JSG_NO_EXCESS;
        CHECK(is_small);
        CHECK(record.signal[JSG_OCCUPANCY].alert == JSG_QUIET);
        diverging +=
            record.signal[JSG_OCCUPANCY].verdict != JSG_NOT_JUDGED &&
            record.signal[JSG_OCCUPANCY].js_nanobits > options.occupancy_threshold_nanobits;
    }
    CHECK(diverging > 5);
}

TEST_CASE("a flash crowd raises no alert, and as many sockets without its exchanges do",
          "[alerts][slow]") {
    const TimeCritical time_critical;
    const std::uint16_t port = first_port + 4;
    constexpr double rate = 30, lifetime_s = 0.5;
    constexpr int times = 10;
    jsguard::Options options = quick_options({port});
    options.learn_s = 5;
    Watched w(options);
    const Socket listener = listen_on(port);
    Crowd crowd(listener, port);
    w.detector.arm_clock();
    REQUIRE(
        crowd.run(w, rate, lifetime_s, 15, [&] { return w.service(1).mode == JSG_MONITORING; }));
    const auto learned = w.service(1).sequence;
    REQUIRE(crowd.run(w, times * rate, lifetime_s, 15,
                      [&] { return w.service(1).sequence >= learned + 6; }));
    CHECK(w.alerts.empty());
    std::uint32_t max_open = 0, max_expected = 0;
    for (const jsg_window& record : w.windows(1)) {
        CAPTURE(record.sequence);
        CHECK(record.signal[JSG_TRANSITIONS].verdict != JSG_ABOVE);
        CHECK(record.signal[JSG_OCCUPANCY].verdict != JSG_ABOVE);
        max_open = std::max(max_open, record.open_millisockets);
        max_expected = std::max(max_expected, record.expected_millisockets);
    }
    CHECK(max_open > 100'000);
    CHECK(max_expected > 100'000);

    CHECK(crowd.open() > 100);
    CHECK(w.wait(10, [&] { return !w.alerts.empty(); }));
    REQUIRE(w.alerts.size() == 1);
    CHECK(w.alerts[0].signal == JSG_OCCUPANCY);
    CHECK(w.alerts[0].sockets == crowd.open());
    CHECK(w.alerts[0].expected_millisockets < max_expected / 2);
}

TEST_CASE(
    "resets by 300 clients raise an alert on transitions, and resets by 20 are too few to judge",
    "[alerts]") {
    const TimeCritical time_critical;
    const std::uint16_t many = first_port + 5, few = first_port + 6;
    Watched w(quick_options({many, few}), {{many, usual_baseline()}, {few, usual_baseline()}});
    CHECK(w.service(1).mode == JSG_MONITORING);  // by the given baselines
    CHECK(w.service(2).mode == JSG_MONITORING);
    const Socket listeners[] = {listen_on(many), listen_on(few)};
    w.detector.arm_clock();
    REQUIRE(w.wait_for_steps(1, 2));
    reset_clients(listeners[0], many, 300);
    reset_clients(listeners[1], few, 20);
    REQUIRE(w.wait(10, [&] { return !w.alerts.empty(); }));
    REQUIRE(w.wait_for_steps(2, 2));
    REQUIRE(w.alerts.size() == 1);
    const jsg_alert& raise = w.alerts[0];
    CHECK(raise.event == JSG_RAISE);
    CHECK(raise.signal == JSG_TRANSITIONS);
    CHECK(raise.port == many);
    CHECK(raise.number == 1);
    CHECK(raise.transitions >= 100);
    CHECK(raise.js_nanobits > raise.threshold_nanobits);
    const std::string names[] = {"ESTABLISHED->", "CLOSE_WAIT->", "LAST_ACK->", "LISTEN->",
                                 "SYN_RECV->"};
    check_top_cells(raise, names);
    CHECK(jsguard::cell_name(raise.signal, raise.top[0].cell) == "ESTABLISHED->CLOSE");
    CHECK(raise.top[0].baseline_ppb == 0);

    std::uint32_t seen = 0;
    for (const jsg_window& record : w.windows(2)) {
        CAPTURE(record.sequence);
        CHECK(record.signal[JSG_TRANSITIONS].verdict ==
              (record.transitions ? JSG_NOT_ENOUGH_TRAFFIC : JSG_NOTHING_SEEN));
        CHECK(record.signal[JSG_TRANSITIONS].alert == JSG_QUIET);
        CHECK((record.signal[JSG_TRANSITIONS].js_nanobits > 0) == (record.transitions > 0));
        seen = std::max(seen, record.transitions);
    }
    CHECK(seen >= 60);
}

TEST_CASE("an alert that finds the ring buffer full is counted as lost, and its clear arrives",
          "[alerts]") {
    const std::uint16_t port = first_port + 7;
    jsguard::Options options = quick_options({port});
    options.min_transitions = 1'000'000;
    Watched w(options, {{port, usual_baseline()}});
    const Socket listener = listen_on(port);
    w.detector.arm_clock();
    leave_room(bpf_map__fd(w.detector.skeleton().maps.alerts), 0);
    auto attackers = connect_clients(listener, port, 60);
    const auto alert_state = [&] {
        const auto record = last_window(w.detector, 1);
        return record ? record->signal[JSG_OCCUPANCY].alert : JSG_QUIET;
    };
    REQUIRE(wait_until(10, [&] { return alert_state() == JSG_ALERT; }));
    CHECK(w.detector.reader().stats().alerts == 1);
    CHECK(w.detector.reader().stats().alerts_lost == 1);
    w.take_alerts();
    CHECK(w.alerts.empty());

    attackers.clear();
    REQUIRE(w.wait(10, [&] { return !w.alerts.empty(); }));
    CHECK(w.alerts[0].event == JSG_CLEAR);
    CHECK(w.alerts[0].number == 1);
    CHECK(w.detector.reader().stats().alerts_lost == 1);
}

TEST_CASE("windows are kept in a ring: a record replaces the one 1,024 steps before", "[alerts]") {
    const TimeCritical time_critical;
    const std::uint16_t port = first_port + 8;
    constexpr std::uint64_t already = 2 * JSG_WINDOWS_KEPT - 2;  // the sequence number to start at
    Watched w(quick_options({port}));
    const int services = bpf_map__fd(w.detector.skeleton().maps.services);
    const int windows = bpf_map__fd(w.detector.skeleton().maps.windows);
    jsg_service service = w.service(1);
    service.sequence = already;
    const std::uint32_t service_id = 1;
    REQUIRE(bpf_map_update_elem(services, &service_id, &service, BPF_ANY) == 0);
    for (std::uint64_t sequence = already + 1 - JSG_WINDOWS_KEPT; sequence <= already; ++sequence) {
        const jsg_window_key key{service_id, static_cast<__u32>(sequence % JSG_WINDOWS_KEPT)};
        jsg_window old{};
        old.sequence = sequence;
        REQUIRE(bpf_map_update_elem(windows, &key, &old, BPF_NOEXIST) == 0);
    }
    w.detector.arm_clock();
    REQUIRE(w.wait_for_steps(1, 4));

    const auto last = w.service(1).sequence;
    REQUIRE(wait_until(1, [&] { return window(w.detector, service_id, last).has_value(); }));
    const auto closed = w.detector.reader().stats().windows;
    std::vector<std::uint64_t> ends_ns;
    for (std::uint64_t sequence = already + 1; sequence <= last; ++sequence) {
        CAPTURE(sequence);
        const jsg_window_key key{service_id, static_cast<__u32>(sequence % JSG_WINDOWS_KEPT)};
        jsg_window record{};
        REQUIRE(bpf_map_lookup_elem(windows, &key, &record) == 0);
        CHECK(record.sequence == sequence);
        CHECK(record.port == port);
        CHECK(record.sampled_ppm == 1'000'000);
        ends_ns.push_back(record.end_ns);
    }
    for (std::size_t i = 1; i < ends_ns.size(); ++i) {
        CHECK(ends_ns[i] - ends_ns[i - 1] > 500'000'000);
        CHECK(ends_ns[i] - ends_ns[i - 1] < 1'500'000'000);
    }
    int kept = 0;
    jsg_window_key key{}, next{};
    for (const void* from = nullptr; bpf_map_get_next_key(windows, from, &next) == 0; from = &key) {
        key = next;
        ++kept;
    }
    CHECK(kept == JSG_WINDOWS_KEPT);
    CHECK(closed >= last - already);
    CHECK(closed <= last - already + 1);  // one more may have closed just now
}
