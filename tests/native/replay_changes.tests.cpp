// SPDX-License-Identifier: BSD-2-Clause
// Tests of replays with other options, and of recordings that lack something.
#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "common/error.hpp"
#include "replay_script.hpp"
#include "tests/catch_compat.hpp"

using namespace replayed;

TEST_CASE("steps that are not known are not learned late", "[replay]") {
    Script script;
    // The service is silent until it is still learning. Then there is traffic. Its first steps are
    // not known.
    for (int i = 0; i < 90; ++i) script.push({});
    script.steps(60, 20);
    std::vector<RecordingEntry> entries = script.entries();
    std::uint32_t max_transitions = 0;  // of one step
    for (RecordingEntry& entry : entries) {
        auto* window = std::get_if<RecordedWindow>(&entry);
        if (!window) continue;
        // Without waiting sockets a pending baseline accepts any error in the step.
        for (const int cell : {JSG_WAITING * JSG_AGES, JSG_WAITING * JSG_AGES + 1})
            window->step.occupancy[cell] = window->occupancy[cell] = 0;
        std::uint32_t sum = 0;
        for (const std::uint32_t count : window->step.transitions) sum += count;
        max_transitions = std::max(max_transitions, sum);
    }
    const auto check_pending_baselines = [&](Replay& replay,
                                             const std::vector<RecordingEntry>& some) {
        std::optional<jsg_baseline> before;
        for (const RecordingEntry& entry : some) {
            replay.take(entry);
            const RecordedService now = replay.service(port);
            const auto pending_baseline =
                now.pending_baseline ? now.pending_baseline : now.baseline;
            CAPTURE(now.service.sequence);
            REQUIRE(pending_baseline);
            if (before && pending_baseline->learned_s > before->learned_s) {
                CHECK(pending_baseline->transitions >= before->transitions);
                CHECK(pending_baseline->transitions - before->transitions <= max_transitions);
            }
            before = pending_baseline;
        }
        REQUIRE(before);
        CHECK(before->learned_s > 10);
    };

    std::vector<RecordingEntry> with_gap, later;
    {
        Replay replay(header());
        std::uint64_t sequence = 0;
        for (const RecordingEntry& entry : entries) {
            const auto* window = std::get_if<RecordedWindow>(&entry);
            if (window) sequence = window->record.sequence;
            if (window && sequence == 88) with_gap.push_back(RecordedGap{port, 88, 13});
            if (!window || sequence < 88 || sequence > 100) with_gap.push_back(entry);
            if (sequence == 95 && later.empty()) {
                replay.take(entry);
                later.push_back(replay.service(port));
                std::get<RecordedService>(later[0]).history.clear();
            } else if (sequence > 95) {
                later.push_back(entry);
            } else {
                replay.take(entry);
            }
        }
        CHECK(std::get<RecordedService>(later[0]).service.mode == JSG_STILL_LEARNING);
        CHECK(std::get<RecordedService>(later[0]).service.quiet_steps > JSG_LEARN_DELAY_STEPS);
    }
    {
        Replay replay(header());
        check_pending_baselines(replay, with_gap);
    }
    Replay replay(header());
    check_pending_baselines(replay, later);
}

TEST_CASE("other thresholds, evidence and confirmation give other alerts", "[replay]") {
    const auto entries = whole_run().entries();
    const Outcome usual = play(entries);
    const auto alerts_with = [&](auto change) {
        ReplayChanges changes;
        change(changes);
        return play(entries, changes).alerts;
    };
    const auto of = [](const std::vector<jsg_alert>& alerts, jsg_signal signal) {
        return std::count_if(alerts.begin(), alerts.end(),
                             [&](const jsg_alert& alert) { return alert.signal == signal; });
    };
    const auto high = alerts_with([](auto& c) { c.occupancy_threshold_nanobits = 990'000'000; });
    CHECK(of(high, JSG_OCCUPANCY) == 0);
    CHECK(of(high, JSG_TRANSITIONS) == 2);
    const auto few = alerts_with([](auto& c) { c.min_transitions = 1'000'000; });
    CHECK(of(few, JSG_OCCUPANCY) == 2);
    CHECK(of(few, JSG_TRANSITIONS) == 0);
    CHECK(of(alerts_with([](auto& c) { c.min_sockets = 200; }), JSG_OCCUPANCY) == 0);
    CHECK(of(alerts_with([](auto& c) { c.transition_threshold_nanobits = 990'000'000; }),
             JSG_TRANSITIONS) == 0);

    const auto later = alerts_with([](auto& c) { c.confirm_steps = confirm + 4; });
    REQUIRE(of(later, JSG_OCCUPANCY) == 2);
    CHECK(later[0].at_unix_ms == usual.alerts[0].at_unix_ms + 4000);
    const auto sooner = alerts_with([](auto& c) { c.clear_steps = 1; });
    REQUIRE(sooner.size() >= 2);
    CHECK(sooner[1].event == JSG_CLEAR);
    CHECK(sooner[1].at_unix_ms == usual.alerts[1].at_unix_ms - 1000 * (clear - 1));

    // 0 is a threshold from the spread while learning. The synthetic seconds are nearly equal.
    const auto automatic = alerts_with([](auto& c) { c.occupancy_threshold_nanobits = 0; });
    REQUIRE(of(automatic, JSG_OCCUPANCY) == 2);
    CHECK(automatic[0].threshold_nanobits != usual.alerts[0].threshold_nanobits);
}

TEST_CASE("after missing windows the others have their counts, and monitoring goes on",
          "[replay]") {
    const auto entries = whole_run().entries();
    const Outcome whole = play(entries);
    constexpr std::uint64_t first_missing = 40, missing = 15;  // while it learns
    std::vector<RecordingEntry> rest;
    for (const RecordingEntry& entry : entries) {
        const auto* window = std::get_if<RecordedWindow>(&entry);
        if (window && window->record.sequence == first_missing)
            rest.push_back(RecordedGap{port, first_missing, missing});
        if (!window || window->record.sequence < first_missing ||
            window->record.sequence >= first_missing + missing)
            rest.push_back(entry);
    }
    Outcome outcome;
    {
        Replay replay(header());
        outcome = play(replay, rest);
        CHECK(replay.missing_windows() == missing);
    }
    REQUIRE(outcome.windows.size() == whole.windows.size() - missing);
    for (std::size_t i = 0; i < outcome.windows.size(); ++i) {
        CAPTURE(i);
        const jsg_window &window = outcome.windows[i], &wanted = whole.windows[window.sequence - 1];
        CHECK(window.transitions == wanted.transitions);
        CHECK(window.exchanges == wanted.exchanges);
        CHECK(window.transition_entropy_nanobits == wanted.transition_entropy_nanobits);
        CHECK(window.state_entropy_nanobits == wanted.state_entropy_nanobits);
        // Learning takes the same number of recorded steps, so it ends later by the missing ones.
        CHECK(window.mode ==
              (window.sequence <= learn_steps + missing ? JSG_LEARNING : JSG_MONITORING));
    }
    CHECK(outcome.windows.back().sequence == whole.windows.back().sequence);

    // A recorded baseline replaces the one that the replay learns.
    jsg_baseline recorded{};
    {
        Replay other(header());
        for (const RecordingEntry& entry : entries) {
            other.take(entry);
            if (other.service(port).baseline) break;
        }
        recorded = *other.service(port).baseline;
    }
    for (auto entry = rest.begin(); entry != rest.end(); ++entry) {
        const auto* window = std::get_if<RecordedWindow>(&*entry);
        if (!window || window->record.sequence != learn_steps) continue;
        rest.insert(entry + 1, RecordedBaseline{port, learn_steps, recorded});
        break;
    }
    const Outcome repaired = play(rest);
    CHECK(repaired.alerts.size() == whole.alerts.size());
    for (const jsg_window& window : repaired.windows) {
        if (window.sequence <= learn_steps) continue;
        CAPTURE(window.sequence);
        const jsg_window& wanted = whole.windows[window.sequence - 1];
        CHECK(window.mode == JSG_MONITORING);
        CHECK(window.signal[JSG_OCCUPANCY].js_nanobits == wanted.signal[JSG_OCCUPANCY].js_nanobits);
        CHECK(window.signal[JSG_OCCUPANCY].verdict == wanted.signal[JSG_OCCUPANCY].verdict);
        CHECK(window.signal[JSG_TRANSITIONS].verdict == wanted.signal[JSG_TRANSITIONS].verdict);
    }
}

TEST_CASE("changes during missing windows are in force after them", "[replay]") {
    const auto entries = whole_run().entries();
    jsg_baseline learned{};
    {
        Replay replay(header());
        for (const RecordingEntry& entry : entries) {
            replay.take(entry);
            if (replay.service(port).baseline) break;
        }
        learned = *replay.service(port).baseline;
    }
    constexpr std::uint64_t first_missing = learn_steps - 5, missing = 15;
    constexpr std::uint64_t last_missing = first_missing + missing - 1;
    const auto with_gap = [&](const std::vector<RecordingEntry>& notes) {
        std::vector<RecordingEntry> rest(entries.begin(), entries.begin() + first_missing);
        rest.push_back(RecordedGap{port, first_missing, missing});
        rest.insert(rest.end(), notes.begin(), notes.end());
        rest.insert(rest.end(), entries.begin() + last_missing + 1, entries.end());
        return rest;
    };
    const Outcome whole = play(entries);
    const Outcome monitoring = play(with_gap({RecordedBaseline{port, last_missing, learned}}));
    REQUIRE(monitoring.windows.size() == whole.windows.size() - missing);
    for (std::size_t i = first_missing - 1; i < monitoring.windows.size(); ++i) {
        CAPTURE(i);
        CHECK(monitoring.windows[i].mode == JSG_MONITORING);
        CHECK(monitoring.windows[i].signal[JSG_OCCUPANCY].js_nanobits ==
              whole.windows[i + missing].signal[JSG_OCCUPANCY].js_nanobits);
    }
    CHECK(monitoring.alerts.size() == whole.alerts.size());

    std::vector<RecordingEntry> with_request =
        with_gap({RecordedBaseline{port, last_missing, learned},
                  RecordedRelearning{port, last_missing + 1}});
    with_request.resize(first_missing + 4);  // with the window after the gap
    Replay replay(header());
    play(replay, with_request);
    CHECK(replay.service(port).service.mode == JSG_MONITORING);
    CHECK(replay.service(port).service.relearning);
}

TEST_CASE("a window with missing steps does not go into the spread", "[replay]") {
    // The missing steps differ from all that is learned. The next windows would contain them.
    Script script;
    script.steps(44, 20);
    for (int i = 0; i < 6; ++i) script.step(20, 90, 300);
    script.steps(40, 20);
    std::vector<RecordingEntry> rest(script.entries().begin(), script.entries().begin() + 45);
    rest.push_back(RecordedGap{port, 45, 6});
    rest.insert(rest.end(), script.entries().begin() + 51, script.entries().end());
    Replay replay(header());
    play(replay, rest);
    const auto baseline = replay.service(port).baseline;
    REQUIRE(baseline);
    for (const jsg_spread& spread : baseline->spread) {
        // Of the 60 learned steps, those from the 40th on are in the spread, without the 9 steps
        // after the gap.
        CHECK(spread.windows == 12);
        CHECK(spread.maximum_nanobits < 10'000'000);
    }
}

TEST_CASE("a replay that relearns, or from a given baseline, does so from the first window",
          "[replay]") {
    // The recording begins in the middle, after the service has learned.
    Script script;
    script.steps(100, 20);
    RecordedService state;
    {
        Replay replay(header());
        play(replay, script.entries());
        state = replay.service(port);
    }
    REQUIRE(state.service.mode == JSG_MONITORING);
    Script later = script;
    later.steps(100, 20);
    later.steps(20, 20, 150);
    std::vector<RecordingEntry> rest = {state};
    rest.insert(rest.end(), later.entries().begin() + 101, later.entries().end());

    ReplayChanges learning;
    learning.learn_steps = 30;
    const Outcome learned = play(rest, learning);
    REQUIRE(learned.windows.size() == 120);
    for (const jsg_window& window : learned.windows) {
        CAPTURE(window.sequence);
        CHECK(window.mode == (window.sequence <= 130 ? JSG_LEARNING : JSG_MONITORING));
        CHECK(window.transitions == play(later.entries()).windows[window.sequence - 1].transitions);
    }
    REQUIRE(learned.alerts.size() == 1);
    CHECK(learned.alerts[0].expected_millisockets > 0);

    // If 170 sockets are normal, there is no alert.
    Script loaded;
    loaded.steps(100, 20, 150);
    ReplayChanges given;
    {
        Replay replay(header());
        play(replay, loaded.entries());
        given.baselines[port] = *replay.service(port).baseline;
    }
    const Outcome with_baseline = play(rest, given);
    CHECK(with_baseline.windows.front().mode == JSG_MONITORING);
    CHECK(with_baseline.windows.front().signal[JSG_OCCUPANCY].verdict != JSG_NOT_JUDGED);
    CHECK(with_baseline.alerts.empty());
    CHECK(play(rest).alerts.size() == 1);
    // A baseline of another port changes nothing.
    ReplayChanges of_another;
    of_another.baselines[port + 1] = given.baselines[port];
    CHECK(play(rest, of_another).alerts.size() == 1);
}

TEST_CASE("an alert that was up when recording began is judged again by other thresholds",
          "[replay]") {
    const auto entries = whole_run().entries();
    RecordedService state;
    {
        Replay replay(header());
        for (const RecordingEntry& entry : entries) {
            replay.take(entry);
            state = replay.service(port);
            if (jsg_alert_is_up(&state.service)) break;
        }
    }
    REQUIRE(jsg_alert_is_up(&state.service));
    std::vector<RecordingEntry> rest = {state};
    rest.insert(rest.end(), entries.begin() + 1 + static_cast<long>(state.service.sequence),
                entries.end());
    const auto as_it_was = play(rest).alerts;
    REQUIRE(as_it_was.size() == 3);
    CHECK(as_it_was[0].event == JSG_CLEAR);
    ReplayChanges higher, lower;
    higher.occupancy_threshold_nanobits = 990'000'000;
    lower.occupancy_threshold_nanobits = 50'000'000;
    CHECK(play(rest, higher).alerts.size() == 2);  // only those of the flood
    const auto lower_alerts = play(rest, lower).alerts;
    REQUIRE(lower_alerts.size() == 4);
    CHECK(lower_alerts[0].event == JSG_RAISE);
    CHECK(lower_alerts[0].threshold_nanobits == 50'000'000);
}

TEST_CASE("entries in an impossible order are refused, and so is a second replay", "[replay]") {
    const auto entries = whole_run().entries();
    const auto refused = [](const std::vector<RecordingEntry>& some) {
        try {
            play(some);
        } catch (const Error& error) {
            CHECK(std::string(error.what()).find('\n') == std::string::npos);
            return error.code() == ExitCode::usage;
        }
        return false;
    };
    CHECK_FALSE(refused({entries[0], entries[1], entries[2]}));
    CHECK(refused({entries[1]}));              // no service entry before
    CHECK(refused({entries[0], entries[2]}));  // the window between is missing
    CHECK(refused({entries[0], entries[1], entries[1]}));
    CHECK(refused({entries[0], entries[1], RecordedEnd{port, 1}, entries[2]}));
    CHECK(refused({entries[0], entries[1], RecordedRelearning{port, 1}}));
    CHECK(refused({entries[0], entries[1], RecordedGap{port, 3, 1}}));
    CHECK(refused({RecordedService{}}));
    std::vector<RecordingEntry> too_many;
    for (std::uint32_t i = 0; i <= JSG_SERVICES; ++i)
        too_many.push_back(Script(1000 + i).entries()[0]);
    CHECK(refused(too_many));
    too_many.pop_back();
    CHECK_FALSE(refused(too_many));

    for (std::uint32_t jsg_config::*field :
         {&jsg_config::window_steps, &jsg_config::learn_steps, &jsg_config::false_alarm_exponent}) {
        RecordingHeader wrong = header();
        wrong.config.*field = 0;
        CHECK_THROWS_AS(Replay(wrong), Error);
    }
    RecordingHeader wrong = header();
    wrong.config.step_ns = second_ns / 2;
    CHECK_THROWS_AS(Replay(wrong), Error);
    const Replay one(header());
    CHECK_THROWS_AS(Replay(header()), std::logic_error);
}
