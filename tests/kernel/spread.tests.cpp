// SPDX-License-Identifier: BSD-2-Clause
// What learning measures besides the counts: the spread, its thresholds, and warnings.
#include "kernel/spread.h"

#include <cmath>
#include <vector>

#include "inconclusive.hpp"
#include "recomputed.hpp"
#include "tests/catch_compat.hpp"
#include "watched.hpp"

using namespace testbed;

namespace {

const std::uint16_t first_port = own_port(0);

// Checks the mean and the deviation of a spread against the divergences themselves.
void check_spread(const jsg_spread& spread, const std::vector<std::uint32_t>& divergences) {
    jsg_spread wanted{};
    double sum = 0, squares = 0;
    for (const std::uint32_t js : divergences) {
        jsg_spread_add(&wanted, js);
        sum += js;
        squares += static_cast<double>(js) * js;
    }
    const double windows = static_cast<double>(divergences.size());
    CHECK(spread.windows == divergences.size());
    CHECK(spread.sum_microbits == wanted.sum_microbits);
    CHECK(spread.sum_of_squares == wanted.sum_of_squares);
    CHECK(spread.maximum_nanobits == wanted.maximum_nanobits);
    CHECK(spread.mean_nanobits == wanted.mean_nanobits);
    CHECK(spread.deviation_nanobits == wanted.deviation_nanobits);
    // The tolerance is the error of cutting to millionths of a bit.
    CHECK(std::abs(sum / windows - spread.mean_nanobits) < 2000);
    CHECK(std::abs(std::sqrt(squares / windows - sum * sum / windows / windows) -
                   spread.deviation_nanobits) < 10'000);
    CHECK(spread.maximum_nanobits >= spread.mean_nanobits);
}

}  // namespace

TEST_CASE("learning measures the spread of windows, sets thresholds by it, and sets warnings",
          "[learning][slow]") {
    const TimeCritical time_critical;
    const std::uint16_t varied = first_port, silent = first_port + 1, few = first_port + 2,
                        full = first_port + 3, once_full = first_port + 4;
    jsguard::Options options = quick_options({varied, silent, few, full, once_full});
    options.learn_s = 22;
    options.min_transitions = 20;
    options.transition_threshold_nanobits = options.occupancy_threshold_nanobits = 0;
    Watched w(options);
    ReadingLog readings(w, 1);
    const Socket listeners[] = {listen_on(varied), listen_on(silent), listen_on(few),
                                listen_on(full, Family::v4, 1),
                                listen_on(once_full, Family::v4, 1)};
    // Just enough for a baseline. As many old stalled sockets as an alert needs cause a warning.
    constexpr int stalled = 40, too_few = 25;
    std::vector<Ends> sockets = connect_clients(listeners[1], silent, stalled);
    for (Ends& ends : connect_clients(listeners[2], few, too_few))
        sockets.push_back(std::move(ends));
    for (const std::uint16_t port : {full, once_full}) {
        const Socket& listener = listeners[port - varied];
        for (Ends& ends : connect_clients(listener, port, JSG_BASELINE_EPISODES + 1))
            sockets.push_back(std::move(ends));
    }
    for (std::uint16_t port = silent; port <= once_full; ++port) {
        for (int i = 0; i < 40; ++i) reset_clients(listeners[port - varied], port, 1);
    }
    std::vector<Socket> waiting;
    const auto fill_queue = [&](std::uint16_t port) {
        for (int i = 0; i < 2; ++i) waiting.push_back(connect_to(port));
    };
    fill_queue(full);
    w.detector.arm_clock();

    // The first service's traffic is different in each second.
    std::uint64_t done = 0;
    std::vector<Ends> open, longer;
    REQUIRE(w.wait(40, [&] {
        readings.take();
        const auto now = w.service(1).sequence;
        if (now != done) {
            done = now;
            open = connect_clients(listeners[0], varied, static_cast<int>(2 + now * 7 % 5));
            if (now % 4 == 1) longer = connect_clients(listeners[0], varied, 2);
            reset_clients(listeners[0], varied, static_cast<int>(5 + now * 3 % 8));
            for (Ends& ends : connect_clients(listeners[0], varied, static_cast<int>(2 + now % 3)))
                ends.client.close();
            if (now == 15) fill_queue(once_full);
            if (now == 16) {
                sockets.push_back({Socket(), accept_from(listeners[4])});
            }
        }
        return w.service(5).mode == JSG_MONITORING && w.service(1).mode == JSG_MONITORING;
    }));
    readings.take();

    const jsg_config& config = w.detector.reader().config();
    const jsg_baseline learned = w.baseline(1);
    std::vector<std::uint32_t> transitions, occupancy;
    const std::uint32_t half = options.learn_s / 2;
    for (std::uint64_t step = half + window_s; step <= options.learn_s; ++step) {
        const jsg_reading &newer = readings.at(step), &older = readings.at(step - window_s);
        // Outside the window, the service has learned the steps before it.
        const jsg_baseline outside =
            learned_between(older, readings.at(0), static_cast<std::uint32_t>(step) - window_s);
        transitions.push_back(transitions_measured(config, newer, older, outside).js);
        occupancy.push_back(occupancy_measured(config, newer, older, &outside).js);
    }
    CHECK(transitions.size() == half - window_s + 1);
    check_spread(learned.spread[JSG_TRANSITIONS], transitions);
    check_spread(learned.spread[JSG_OCCUPANCY], occupancy);
    CHECK(learned.spread[JSG_TRANSITIONS].deviation_nanobits > 0);
    CHECK(learned.spread[JSG_OCCUPANCY].deviation_nanobits > 0);
    for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY}) {
        const std::uint32_t threshold = w.service(1).threshold_nanobits[signal];
        CHECK(threshold == jsg_threshold_of_spread(&learned.spread[signal]));
        CHECK(threshold > learned.spread[signal].maximum_nanobits);
    }
    CHECK(w.service(1).threshold_nanobits[JSG_TRANSITIONS] !=
          w.service(1).threshold_nanobits[JSG_OCCUPANCY]);
    // Windows with too few transitions do not count in the spread.
    CHECK(w.baseline(2).spread[JSG_TRANSITIONS].windows == 0);
    CHECK(w.baseline(2).spread[JSG_OCCUPANCY].windows == half - window_s + 1);
    CHECK(w.service(2).threshold_nanobits[JSG_TRANSITIONS] == JSG_DEFAULT_THRESHOLD_NANOBITS);

    CHECK(w.service(1).warnings == 0);
    CHECK((w.service(2).warnings & ~JSG_WARN_UNBALANCED) == JSG_WARN_OLD_AND_STALLED);
    CHECK(w.service(3).warnings == 0);
    CHECK((w.service(4).warnings & ~JSG_WARN_UNBALANCED) == JSG_WARN_QUEUE_FULL);
    CHECK(w.service(5).warnings == 0);
    CHECK(w.baseline(1).queue_full_s == 0);
    CHECK(w.baseline(4).queue_full_s >= options.learn_s - 1);  // the first step is short
    CHECK(w.baseline(5).queue_full_s >= 1);
    CHECK(w.baseline(5).queue_full_s <= 2);
    for (const jsg_window& record : w.windows(4))
        CHECK((record.full_queues == 1 || record.sequence == 1));
    for (const jsg_window& record : w.windows(2)) CHECK(record.full_queues == 0);
}
