// SPDX-License-Identifier: BSD-2-Clause
// Tests of replay, the kernel's code in user space: of whole recordings, and of ones cut anywhere.
#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <vector>

#include "replay_script.hpp"
#include "tests/catch_compat.hpp"

using namespace replayed;

TEST_CASE("a replay learns, monitors, raises and clears as the kernel does", "[replay]") {
    const Outcome outcome = play(whole_run().entries());
    REQUIRE(outcome.windows.size() == 275);
    for (std::size_t i = 0; i < outcome.windows.size(); ++i) {
        CAPTURE(i);
        const jsg_window& window = outcome.windows[i];
        CHECK(window.sequence == i + 1);
        CHECK(window.mode == (i < learn_steps ? JSG_LEARNING : JSG_MONITORING));
        CHECK(window.sampled_ppm == 1'000'000);
        CHECK(window.idle_sockets == Script::idle);
        CHECK(window.end_unix_ms == 1'700'000'000'000 + window.sequence * 1000);
    }
    REQUIRE(outcome.alerts.size() == 4);
    const jsg_alert &raised = outcome.alerts[0], &cleared = outcome.alerts[1];
    CHECK(raised.event == JSG_RAISE);
    CHECK(raised.signal == JSG_OCCUPANCY);
    CHECK(raised.port == port);
    CHECK(raised.number == 1);
    CHECK(raised.open_requests >= 170);
    CHECK(raised.top_count > 0);
    CHECK(raised.sources.sockets == 0);
    // The windows are above the threshold from the attack's first window on, or soon after.
    CHECK(raised.at_unix_ms >= outcome.windows[80 + confirm - 1].end_unix_ms);
    CHECK(raised.at_unix_ms <= outcome.windows[80 + confirm + 3].end_unix_ms);
    CHECK(cleared.event == JSG_CLEAR);
    CHECK(cleared.number == 1);
    CHECK(outcome.windows[110 + clear - 2].signal[JSG_OCCUPANCY].alert == JSG_ALERT);
    CHECK(outcome.alerts[2].event == JSG_RAISE);
    CHECK(outcome.alerts[2].signal == JSG_TRANSITIONS);
    CHECK(outcome.alerts[2].number == 2);
    CHECK(outcome.alerts[3].event == JSG_CLEAR);
}

TEST_CASE("replayed windows have what the samples found, and full queues count in what is learned",
          "[replay]") {
    Script usual;
    usual.steps(learn_steps + 5, 20);
    std::vector<RecordingEntry> entries = usual.entries();
    auto& first = std::get<RecordedService>(entries[0]);
    first.service.untracked_sockets = 50;  // they are among the windows' sockets
    first.service.untracked_opened = 70;
    for (std::size_t i = 10; i < 25; ++i) {
        auto& window = std::get<RecordedWindow>(entries[i]);
        window.record.full_queues = 2;
        window.step.full_queue_steps = 1;
    }
    Replay replay(header());
    for (const RecordingEntry& entry : entries) {
        const Replayed replayed = replay.take(entry);
        if (!replayed.window) continue;
        const auto& recorded = std::get<RecordedWindow>(entry);
        CAPTURE(recorded.record.sequence);
        CHECK(replayed.window->sockets == recorded.record.sockets);
        CHECK(replayed.window->idle_sockets == recorded.record.idle_sockets);
        CHECK(replayed.window->waiting_sockets == recorded.record.waiting_sockets);
        CHECK(replayed.window->open_requests == recorded.record.open_requests);
        CHECK(replayed.window->full_queues == recorded.record.full_queues);
        CHECK(replayed.window->exchanges == recorded.record.exchanges);
        CHECK(replay.service(port).service.listeners == recorded.listeners);
        CHECK(replay.service(port).service.sockets == recorded.record.sockets);
    }
    REQUIRE(replay.service(port).baseline);
    CHECK(replay.service(port).baseline->queue_full_s == 15);
    CHECK((replay.service(port).service.warnings & JSG_WARN_QUEUE_FULL) != 0);
}

TEST_CASE("a service keeps its entry in the replay for as long as in the recording", "[replay]") {
    Script usual;
    usual.steps(100, 20);
    std::vector<RecordingEntry> entries = usual.entries();
    for (std::size_t i = 10; i < entries.size(); ++i) {
        auto& window = std::get<RecordedWindow>(entries[i]);
        window.record.sockets = window.listeners = 0;
    }
    const Outcome outcome = play(entries);
    REQUIRE(outcome.windows.size() == 100);
    CHECK(outcome.windows.back().sequence == 100);
}

TEST_CASE("a recording that begins at any window gives the same windows and alerts from there on",
          "[replay]") {
    const auto entries = whole_run().entries();
    const Outcome whole = play(entries);
    // The state before each window. A recorder that begins there would record it.
    std::vector<RecordedService> states;
    {
        Replay replay(header());
        for (const RecordingEntry& entry : entries) {
            if (std::holds_alternative<RecordedWindow>(entry))
                states.push_back(replay.service(port));
            replay.take(entry);
        }
    }
    REQUIRE(states.size() == whole.windows.size());
    for (std::size_t cut = 0; cut < states.size(); ++cut) {
        CAPTURE(cut);
        std::vector<RecordingEntry> rest = {states[cut]};
        REQUIRE(states[cut].service.sequence == cut);
        for (const RecordingEntry& entry : entries) {
            const auto* window = std::get_if<RecordedWindow>(&entry);
            const auto* relearning = std::get_if<RecordedRelearning>(&entry);
            if ((window && window->record.sequence > cut) ||
                (relearning && relearning->sequence > cut))
                rest.push_back(entry);
        }
        const Outcome cut_off = play(rest);
        REQUIRE(cut_off.windows.size() == whole.windows.size() - cut);
        for (std::size_t i = 0; i < cut_off.windows.size(); ++i) {
            CAPTURE(i);
            REQUIRE(is_same(cut_off.windows[i], whole.windows[cut + i]));
        }
        // The alerts from before the cut are the first ones of the whole recording.
        REQUIRE(cut_off.alerts.size() <= whole.alerts.size());
        const std::size_t before = whole.alerts.size() - cut_off.alerts.size();
        for (std::size_t i = 0; i < cut_off.alerts.size(); ++i)
            REQUIRE(is_same(cut_off.alerts[i], whole.alerts[before + i]));
    }
}

TEST_CASE("a recording without its history gives the recorded windows", "[replay]") {
    const auto entries = whole_run().entries();
    const Outcome whole = play(entries);
    const std::size_t cut = 85;  // in the attack
    std::vector<RecordingEntry> rest;
    Replay replay(header());
    std::size_t taken = 0;
    for (const RecordingEntry& entry : entries) {
        if (std::holds_alternative<RecordedWindow>(entry) && taken++ == cut) {
            RecordedService state = replay.service(port);
            state.history.clear();
            rest.push_back(state);
        }
        if (taken > cut)
            rest.push_back(entry);
        else
            replay.take(entry);
    }
    const Outcome cut_off = play(replay, rest);
    REQUIRE(cut_off.windows.size() == whole.windows.size() - cut);
    for (std::size_t i = 0; i < cut_off.windows.size(); ++i) {
        CAPTURE(i);
        REQUIRE(is_same(cut_off.windows[i], whole.windows[cut + i]));
    }
}

TEST_CASE("a replayed request to relearn puts another baseline in force", "[replay]") {
    const auto entries = whole_run().entries();
    std::optional<jsg_baseline> first;
    std::uint64_t changed_at = 0;
    RecordedService last;
    {
        Replay replay(header());
        for (const RecordingEntry& entry : entries) {
            replay.take(entry);
            const RecordedService now = replay.service(port);
            if (!first) first = now.baseline;
            if (first && !changed_at && !is_same(*first, *now.baseline))
                changed_at = now.service.sequence;
            last = now;
        }
    }
    REQUIRE(first);
    // The request is before window 151. JSG_LEARN_DELAY_STEPS quiet steps pass before the first
    // step is learned.
    CHECK(changed_at == 150 + JSG_LEARN_DELAY_STEPS + learn_steps);
    CHECK(last.service.baselines_learned == 2);
    CHECK(last.baseline->learned_s == learn_steps);
    CHECK(last.baseline->exchanges > first->exchanges);

    std::vector<RecordingEntry> no_request;
    std::copy_if(entries.begin(), entries.end(), std::back_inserter(no_request),
                 [](const auto& e) { return !std::holds_alternative<RecordedRelearning>(e); });
    const Outcome outcome = play(no_request);
    const Outcome with_request = play(entries);
    CHECK(is_same(outcome.windows[changed_at - 1], with_request.windows[changed_at - 1]));
    CHECK_FALSE(is_same(outcome.windows[changed_at], with_request.windows[changed_at]));
}

TEST_CASE("a port that left and came back is replayed as another service", "[replay]") {
    const auto entries = whole_run().entries();
    std::vector<RecordingEntry> twice = entries;
    twice.push_back(RecordedEnd{port, 275});
    twice.insert(twice.end(), entries.begin(), entries.end());
    const Outcome once = play(entries), outcome = play(twice);
    REQUIRE(outcome.windows.size() == 2 * once.windows.size());
    for (std::size_t i = 0; i < once.windows.size(); ++i) {
        CAPTURE(i);
        CHECK(is_same(outcome.windows[i], once.windows[i]));
        CHECK(is_same(outcome.windows[once.windows.size() + i], once.windows[i]));
    }
    REQUIRE(outcome.alerts.size() == 2 * once.alerts.size());
    CHECK(outcome.alerts.back().number == 2 * once.alerts.back().number);
}

TEST_CASE("two services do not disturb each other", "[replay]") {
    const auto one = whole_run().entries();
    std::vector<RecordingEntry> mixed;
    Script quiet(port + 1);
    quiet.steps(275, 3);
    for (std::size_t i = 0; i < one.size(); ++i) {
        mixed.push_back(one[i]);
        if (i < quiet.entries().size()) mixed.push_back(quiet.entries()[i]);
    }
    const Outcome alone = play(one), both = play(mixed);
    std::vector<jsg_window> of_one;
    std::copy_if(both.windows.begin(), both.windows.end(), std::back_inserter(of_one),
                 [](const jsg_window& window) { return window.port == port; });
    REQUIRE(of_one.size() == alone.windows.size());
    for (std::size_t i = 0; i < of_one.size(); ++i) {
        CAPTURE(i);
        CHECK(is_same(of_one[i], alone.windows[i]));
    }
    CHECK(both.alerts.size() == alone.alerts.size());
}

TEST_CASE("the share of the sampled sockets is replayed as it was recorded", "[replay]") {
    Script script;
    std::vector<std::uint32_t> shares;
    std::uint64_t state = 1;
    for (int i = 0; i < 2000; ++i) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        RecordedWindow window;
        window.record.sockets = static_cast<std::uint32_t>(state >> 33) % 140'000 + 1;
        const std::uint64_t sampled = (state >> 20) % (window.record.sockets + 1ULL);
        if (sampled == 0) continue;
        window.record.sampled_ppm =
            static_cast<std::uint32_t>(sampled * 1'000'000 / window.record.sockets);
        if (!window.record.sampled_ppm) continue;
        shares.push_back(window.record.sampled_ppm);
        script.push(window);
    }
    const Outcome outcome = play(script.entries());
    REQUIRE(outcome.windows.size() == shares.size());
    for (std::size_t i = 0; i < shares.size(); ++i) {
        CAPTURE(i);
        CHECK(outcome.windows[i].sampled_ppm == shares[i]);
    }
}

TEST_CASE("with a sampling weight, a window has fewer independent samples", "[replay]") {
    ReplayChanges given;
    {
        Script usual;
        usual.steps(100, 20);
        Replay replay(header());
        play(replay, usual.entries());
        given.baselines[port] = *replay.service(port).baseline;
    }
    const auto bound_of = [&](std::uint32_t sample_weight) {
        Script script;
        RecordedWindow window;
        window.record.sockets = 2000;
        window.record.sample_weight = sample_weight;
        window.step.occupancy[JSG_RESPONSE_MOVING * JSG_AGES] = 1000;
        window.step.occupancy[JSG_REQUEST_MOVING * JSG_AGES] = 1000;
        script.push(window);
        const jsg_window replayed = play(script.entries(), given).windows.at(0);
        CHECK(replayed.sample_weight == sample_weight);
        return replayed.signal[JSG_OCCUPANCY].significance_nanobits;
    };
    CHECK(bound_of(2) > bound_of(1));
    CHECK(bound_of(4) > bound_of(2));
}

TEST_CASE("the first field that differs is the first of the recording's line", "[replay]") {
    jsg_window recorded{};
    recorded.sampled_ppm = 1'000'000;
    CHECK_FALSE(window_difference(recorded, recorded));
    jsg_window replayed = recorded;
    replayed.state_entropy_nanobits = 5'000'000'000;
    replayed.signal[JSG_OCCUPANCY].js_nanobits = 130'000'000;
    CHECK(window_difference(recorded, replayed) == "occupancy/js_bits is 0.13, recorded 0");
    replayed.sockets = 3;
    CHECK(window_difference(recorded, replayed) == "sockets is 3, recorded 0");
}

TEST_CASE("an hour of windows is replayed in less than two seconds", "[replay]") {
    Script script;
    for (int i = 0; i < 36; ++i) {
        script.steps(80, 20);
        script.steps(20, 20, 100);
    }
    const auto start = std::chrono::steady_clock::now();
    const Outcome outcome = play(script.entries());
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    CHECK(outcome.windows.size() == 3600);
    CHECK(outcome.alerts.size() > 36);
    CHECK(taken.count() < 2);
}
