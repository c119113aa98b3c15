// SPDX-License-Identifier: BSD-2-Clause
// Learning: which traffic becomes a baseline, and what is judged with a baseline and without one.
#include <algorithm>
#include <cstring>

#include "inconclusive.hpp"
#include "recomputed.hpp"
#include "tests/catch_compat.hpp"
#include "watched.hpp"

using namespace testbed;

namespace {

const std::uint16_t first_port = own_port(0);

}  // namespace

TEST_CASE(
    "a baseline has exactly the counts of the learning time, and too little traffic gives none",
    "[learning]") {
    const TimeCritical time_critical;
    const std::uint16_t enough = first_port, too_little = first_port + 1;
    constexpr std::uint32_t stalled = 20, reset = 40, few_stalled = 16, few_reset = 10;
    jsguard::Options options = quick_options({enough, too_little});
    options.transition_threshold_nanobits = 110'000'000;
    options.occupancy_threshold_nanobits = 130'000'000;
    Watched w(options);
    ReadingLog readings[] = {ReadingLog(w, 1), ReadingLog(w, 2)};
    const Socket listeners[] = {listen_on(enough), listen_on(too_little)};
    const auto sockets = connect_clients(listeners[0], enough, stalled);
    const auto few_sockets = connect_clients(listeners[1], too_little, few_stalled);
    reset_clients(listeners[0], enough, reset);
    reset_clients(listeners[1], too_little, few_reset);
    REQUIRE(wait_until(5, [&] { return remembered(w.detector) == stalled + few_stalled + 2; }));
    w.detector.arm_clock();
    REQUIRE(w.wait_for_mode(1, JSG_MONITORING));
    REQUIRE(w.wait_for_mode(2, JSG_STILL_LEARNING));
    for (const std::uint32_t service_id : {1U, 2U}) {
        CHECK(w.service(service_id).threshold_nanobits[JSG_TRANSITIONS] == 110'000'000);
        CHECK(w.service(service_id).threshold_nanobits[JSG_OCCUPANCY] == 130'000'000);
        CHECK(w.service(service_id).baselines_learned == (service_id == 1 ? 1 : 0));
    }

    Transitions wanted;
    wanted[{JSG_TCP_CLOSE, JSG_TCP_LISTEN}] = 1;
    wanted[{JSG_TCP_LISTEN, JSG_TCP_SYN_RECV}] = stalled + reset;
    wanted[{JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED}] = stalled + reset;
    wanted[{JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE}] = reset;
    const jsg_baseline learned = w.baseline(1);
    Transitions in_baseline;
    for (int cell = 0; cell < JSG_TRANSITION_CELLS; ++cell) {
        if (learned.transition_counts[cell])
            in_baseline[{cell / JSG_STATES, cell % JSG_STATES}] = learned.transition_counts[cell];
    }
    CHECK(in_baseline == wanted);
    CHECK(learned.transitions == 1 + 2 * (stalled + reset) + reset);
    CHECK(learned.exchanges == stalled + reset);
    CHECK(learned.learned_s == 3);
    const jsg_reading last = reading(w.detector, 1, 3), first = reading(w.detector, 1, 1);
    std::uint32_t all = 0, since_first = 0;
    for (int cell = 0; cell < JSG_PHASE_CELLS; ++cell) {
        CAPTURE(cell);
        CHECK(learned.occupancy_socket_seconds[cell] == last.occupancy[cell]);
        all += last.occupancy[cell];
        since_first += last.occupancy[cell] - first.occupancy[cell];
    }
    CHECK(since_first == 2 * stalled);  // the first step is short: samples begin with the clock
    CHECK(learned.judged_socket_seconds == all);
    CHECK(learned.waiting_socket_seconds == 0);

    // There are enough transitions to judge them if there is a baseline. The new sockets have ages
    // that the generic baseline has too.
    constexpr std::uint32_t fresh = 3, later_reset = 60, more = 2 * fresh + 3 * later_reset;
    const auto fresh_sockets = connect_clients(listeners[0], enough, fresh);
    const auto few_fresh_sockets = connect_clients(listeners[1], too_little, fresh);
    reset_clients(listeners[0], enough, later_reset);
    reset_clients(listeners[1], too_little, later_reset);
    REQUIRE(w.wait(5, [&] {
        const auto a = last_window(w.detector, 1), b = last_window(w.detector, 2);
        return a && b && a->transitions == more && b->transitions == more;
    }));
    REQUIRE(w.wait_for_steps(2, window_s + 1));
    for (ReadingLog& log : readings) log.take();
    const auto is_busy = [](const jsg_window& record) {
        return record.mode != JSG_LEARNING && record.transitions == more;
    };
    const auto monitored = w.windows(1), still_learning = w.windows(2);
    const auto judged = std::find_if(monitored.begin(), monitored.end(), is_busy);
    const auto not_judged = std::find_if(still_learning.begin(), still_learning.end(), is_busy);
    REQUIRE(judged != monitored.end());
    REQUIRE(not_judged != still_learning.end());
    CHECK(judged->signal[JSG_TRANSITIONS].verdict >= JSG_NORMAL);
    CHECK(judged->signal[JSG_TRANSITIONS].js_nanobits > 0);
    CHECK(not_judged->signal[JSG_TRANSITIONS].verdict == JSG_NOT_JUDGED);
    CHECK(not_judged->signal[JSG_TRANSITIONS].js_nanobits == 0);
    CHECK(not_judged->transition_entropy_nanobits == judged->transition_entropy_nanobits);

    for (std::size_t i = 0; i < 3; ++i) {
        for (const jsg_window& record : {monitored[i], still_learning[i]}) {
            CHECK(record.mode == JSG_LEARNING);
            CHECK(record.signal[JSG_TRANSITIONS].verdict == JSG_NOT_JUDGED);
            CHECK(record.signal[JSG_OCCUPANCY].verdict == JSG_NOT_JUDGED);
        }
    }
    const auto logged = std::min(monitored.size(), still_learning.size()) - 1;
    for (std::size_t i = 3; i < logged; ++i) {
        CAPTURE(i);
        CHECK(monitored[i].mode == JSG_MONITORING);
        CHECK(monitored[i].expected_millisockets >= all * 1000 / 3);
        check_record(w, monitored[i], readings[0].at(i + 1), readings[0].at(i + 1 - window_s),
                     &learned);
    }
    std::uint32_t min_js = JSG_NANO;
    for (std::size_t i = 3; i < logged; ++i) {
        const jsg_window& record = still_learning[i];
        CAPTURE(i);
        CHECK(record.mode == JSG_STILL_LEARNING);
        CHECK(record.expected_millisockets == record.exchanges * 1000 / window_s);
        const jsg_reading &newer = readings[1].at(i + 1), &older = readings[1].at(i + 1 - window_s);
        check_record(w, record, newer, older, nullptr);
        min_js = std::min(min_js, record.signal[JSG_OCCUPANCY].js_nanobits);
        const jsg_config& config = w.detector.reader().config();
        const Measured measured = occupancy_measured(config, newer, older, nullptr);
        CHECK(record.signal[JSG_OCCUPANCY].verdict ==
              jsg_judge_occupancy(
                  &config, &measured.sockets,
                  {measured.js, options.occupancy_threshold_nanobits, measured.significance}));
    }
    // The stalled sockets are older now than any socket in the baseline, but not more numerous.
    CHECK(monitored.back().signal[JSG_OCCUPANCY].verdict >= JSG_NORMAL);
    CHECK(monitored.back().excess_millisockets == 0);
    CHECK(monitored.back().signal[JSG_OCCUPANCY].js_nanobits >
          options.occupancy_threshold_nanobits);
    CHECK(min_js < JSG_NANO);  // the cells of the generic baseline took part
    const jsg_baseline later = w.baseline(1);
    CHECK(std::memcmp(&later, &learned, sizeof(learned)) ==
          0);  // a monitored service does not learn
    CHECK(w.alerts.empty());
}
