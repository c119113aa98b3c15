// SPDX-License-Identifier: BSD-2-Clause
// Tests of a day of windows, which the kernel's own code judges in a few seconds. Counters and
// sequence numbers wrap.
#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <numeric>
#include <vector>

#include "kernel/decision.h"
#include "kernel/native/kernel_replay.h"
#include "load/options.hpp"
#include "tests/catch_compat.hpp"
#include "tests/measured_window.hpp"

namespace {

using testbed::Measured;

constexpr std::uint32_t day_steps = 86'400, service_id = 1, port = 8080;
constexpr std::uint64_t two_to_32 = std::uint64_t{1} << 32;
constexpr std::uint64_t first_sequence = two_to_32 - day_steps / 2;  // it passes 2^32 too
constexpr std::uint64_t second_ns = 1'000'000'000;

// All counts in 64 bits, so they do not wrap during the day.
struct Counts {
    std::array<std::uint64_t, JSG_TRANSITION_CELLS> transitions{};
    std::array<std::uint64_t, JSG_PHASE_CELLS> occupancy{};
    std::uint64_t answers = 0;

    void add(__u32 from, __u32 to, std::uint64_t number) {
        transitions.at(jsg_transition_cell(from, to)) += number;
    }
    void operator+=(const Counts& more) {
        for (std::size_t i = 0; i < transitions.size(); ++i) transitions[i] += more.transitions[i];
        for (std::size_t i = 0; i < occupancy.size(); ++i) occupancy[i] += more.occupancy[i];
        answers += more.answers;
    }
};

// Counts as a reading. They must fit 32 bits.
jsg_reading as_reading(const Counts& counts) {
    jsg_reading reading{};
    const auto narrow = [](std::uint64_t number) {
        if (number >= two_to_32) FAIL("the test itself counts too much");
        return static_cast<__u32>(number);
    };
    for (std::size_t i = 0; i < counts.transitions.size(); ++i)
        reading.transitions[i] = narrow(counts.transitions[i]);
    for (std::size_t i = 0; i < counts.occupancy.size(); ++i)
        reading.occupancy[i] = narrow(counts.occupancy[i]);
    reading.answers = narrow(counts.answers);
    return reading;
}

// One second of a very large service, with half a million connections or more. In one minute of
// each hour enough of them are stalled for an alert. Another minute is full of resets.
Counts traffic(std::uint32_t step) {
    const std::uint64_t arrived = 500'000 + 7'919 * (step % 97);
    const bool stalled = step % 3600 >= 1800 && step % 3600 < 1860;
    const bool reset = step % 3600 >= 2700 && step % 3600 < 2760;
    const std::uint64_t resets = reset ? arrived / 10 * 9 : 0;
    Counts counts;
    counts.add(JSG_TCP_LISTEN, JSG_TCP_SYN_RECV, arrived);
    counts.add(JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED, arrived);
    counts.add(JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE, resets);
    counts.add(JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE_WAIT, arrived - resets);
    counts.add(JSG_TCP_CLOSE_WAIT, JSG_TCP_LAST_ACK, arrived - resets);
    counts.add(JSG_TCP_LAST_ACK, JSG_TCP_CLOSE, arrived - resets);
    counts.answers = arrived;
    counts.occupancy[JSG_REQUEST_SLOW * JSG_AGES] = arrived / 2;
    counts.occupancy[JSG_REQUEST_SLOW * JSG_AGES + 4] = stalled ? 8 * arrived : 0;
    counts.occupancy[JSG_WAITING * JSG_AGES + 1] = step % 1000;
    return counts;
}

// The counts of the last steps.
class Sliding {
  public:
    explicit Sliding(std::size_t steps) : steps_(steps) {}
    void push(const Counts& counts) {
        kept_.push_back(counts);
        if (kept_.size() > steps_) kept_.pop_front();
    }
    Counts total() const {
        Counts sum;
        for (const Counts& counts : kept_) sum += counts;
        return sum;
    }

  private:
    std::size_t steps_;
    std::deque<Counts> kept_;
};

std::uint32_t closed_in(const jsg_reading& counts) {
    std::uint32_t closed = 0;
    for (const __u32 state : {JSG_TCP_ESTABLISHED, JSG_TCP_LAST_ACK})
        closed += counts.transitions[jsg_transition_cell(state, JSG_TCP_CLOSE)];
    return closed;
}

bool balanced(const jsg_config& config, const jsg_reading& counts) {
    const __u32 opened = counts.transitions[jsg_transition_cell(JSG_TCP_LISTEN, JSG_TCP_SYN_RECV)];
    return jsg_balanced(&config, opened, closed_in(counts)) != 0;
}

// A monitored service, with the alerts that it should raise.
struct Day {
    jsg_config config{};
    jsg_baseline normal{};
    std::vector<jsg_alert> alerts;
    std::array<jsg_alert_track, JSG_SIGNALS> tracks{};
    Sliding window;
    Counts since_start;
    std::uint32_t raised = 0, cleared = 0;
    std::uint64_t end_ns = 77 * second_ns;

    Day() : window(0) {
        jsguard::Options options;
        options.learn_s = 60;
        config = jsguard::make_config(options);
        window = Sliding(config.window_steps);
        Counts minute;
        for (std::uint32_t step = 0; step < 60; ++step) minute += traffic(step);
        normal = testbed::learned_between(as_reading(minute), {}, 60);
        const auto keep = [](void* day, const jsg_alert* alert) {
            static_cast<Day*>(day)->alerts.push_back(*alert);
        };
        REQUIRE(kernel_replay_begin(&config, keep, this) == 0);
        jsg_service service{};
        service.sequence = first_sequence;
        service.port = port;
        service.mode = JSG_MONITORING;
        kernel_replay_set_service(service_id, &service, &normal, nullptr, nullptr, 0);
    }

    void service_step(std::uint32_t step, bool relearn) {
        const Counts counts = traffic(step);
        since_start += counts;
        window.push(counts);
        const jsg_reading counted = as_reading(counts), in_window = as_reading(window.total());
        end_ns += second_ns;
        jsg_window record{};
        record.sequence = first_sequence + step + 1;
        record.end_ns = end_ns;
        record.end_unix_ms = end_ns / 1'000'000;
        record.sampled_ppm = 1'000'000;
        record.sample_weight = 1;
        const kernel_replay_step replayed{
            &record, &counted, in_window.transitions, in_window.occupancy, 1, relearn};
        record.exchanges = exchanges(in_window);
        kernel_replay_service_step(service_id, &replayed);
        check(*kernel_replay_window(service_id), in_window);
    }

    static __u32 exchanges(const jsg_reading& in_window) {
        return in_window.answers +
               in_window.transitions[jsg_transition_cell(JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED)];
    }

    // The kernel's code counts modulo 2^32. Its record must equal the one from 64-bit counts.
    void check(const jsg_window& record, const jsg_reading& in_window) {
        const Measured transitions = testbed::transitions_measured(config, in_window, {}, normal);
        const Measured occupancy = testbed::occupancy_measured(config, in_window, {}, &normal);
        REQUIRE(record.transitions == testbed::transitions_between(in_window, {}));
        REQUIRE(record.exchanges == exchanges(in_window));
        REQUIRE(record.signal[JSG_TRANSITIONS].js_nanobits == transitions.js);
        REQUIRE(record.signal[JSG_TRANSITIONS].significance_nanobits == transitions.significance);
        REQUIRE(record.signal[JSG_OCCUPANCY].js_nanobits == occupancy.js);
        REQUIRE(record.signal[JSG_OCCUPANCY].significance_nanobits == occupancy.significance);
        REQUIRE(record.open_millisockets == occupancy.sockets.open);
        REQUIRE(record.expected_millisockets == occupancy.sockets.expected);
        REQUIRE(record.stalled_excess_millisockets == occupancy.sockets.stalled_excess);
        const jsg_verdict verdicts[] = {
            jsg_judge_transitions(
                &config, record.transitions, balanced(config, in_window),
                {transitions.js, config.transition_threshold_nanobits, transitions.significance}),
            jsg_judge_occupancy(
                &config, &occupancy.sockets,
                {occupancy.js, config.occupancy_threshold_nanobits, occupancy.significance})};
        REQUIRE(record.signal[JSG_TRANSITIONS].verdict == verdicts[JSG_TRANSITIONS]);
        REQUIRE(record.signal[JSG_OCCUPANCY].verdict == verdicts[JSG_OCCUPANCY]);
        const std::uint32_t js[] = {transitions.js, occupancy.js};
        for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY}) {
            const jsg_change change = jsg_track(&tracks.at(signal), &config, verdicts[signal],
                                                js[signal], end_ns, end_ns / 1'000'000);
            raised += change == JSG_RAISED;
            cleared += change == JSG_CLEARED;
        }
        REQUIRE(record.signal[JSG_TRANSITIONS].alert == tracks[JSG_TRANSITIONS].state);
        REQUIRE(record.signal[JSG_OCCUPANCY].alert == tracks[JSG_OCCUPANCY].state);
        REQUIRE(alerts.size() == raised + cleared);
    }
};

// The step in which the counter of accepted connections reaches times * 2^32.
std::uint32_t step_of_wrap(std::uint64_t times) {
    std::uint64_t accepted = 0;
    for (std::uint32_t step = 0;; ++step) {
        accepted +=
            traffic(step).transitions[jsg_transition_cell(JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED)];
        if (accepted >= times * two_to_32) return step;
    }
}

}  // namespace

TEST_CASE("24 hours of windows equal those of 64-bit arithmetic, although counters wrap at 2^32",
          "[fast time]") {
    Day day;
    // A counter wraps while this baseline is learned.
    const std::uint32_t relearn_at = step_of_wrap(3) - 30, learned = day.config.learn_steps;
    REQUIRE(relearn_at % 3600 + learned + 20 < 1800);  // no alert during that time
    const std::uint32_t in_force_at =
        relearn_at + learned + jsg_learn_delay(day.config.window_steps) - 1;
    Counts pending_baseline;
    for (std::uint32_t step = 0; step < day_steps; ++step) {
        CAPTURE(step);
        day.service_step(step, step == relearn_at);
        if (step >= relearn_at && step < relearn_at + learned) pending_baseline += traffic(step);
        REQUIRE(kernel_replay_service(service_id)->baselines_learned == (step >= in_force_at));
        if (step != in_force_at) continue;
        day.normal = testbed::learned_between(as_reading(pending_baseline), {}, learned);
        const jsg_baseline* found = kernel_replay_baseline(service_id);
        CHECK(std::memcmp(found->transition_counts, day.normal.transition_counts,
                          sizeof(found->transition_counts)) == 0);
        CHECK(std::memcmp(found->occupancy_socket_seconds, day.normal.occupancy_socket_seconds,
                          sizeof(found->occupancy_socket_seconds)) == 0);
        CHECK(found->transitions == day.normal.transitions);
        CHECK(found->exchanges == day.normal.exchanges);
    }

    // The counters of the usual transitions and of the answers wrapped at least 16 times.
    for (const auto& [from, to] : {std::pair{JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED},
                                   std::pair{JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE_WAIT},
                                   std::pair{JSG_TCP_LAST_ACK, JSG_TCP_CLOSE}})
        CHECK(day.since_start.transitions.at(jsg_transition_cell(from, to)) / two_to_32 >= 16);
    CHECK(day.since_start.answers / two_to_32 >= 16);
    CHECK(day.since_start.occupancy[JSG_REQUEST_SLOW * JSG_AGES] / two_to_32 >= 8);
    CHECK(kernel_replay_service(service_id)->sequence == first_sequence + day_steps);
    CHECK(first_sequence + day_steps > two_to_32);
    // One alert of each signal in each hour, and no others.
    CHECK(day.raised == 2 * 24);
    CHECK(day.cleared == day.raised);
    for (std::size_t i = 0; i < day.alerts.size(); ++i) CHECK(day.alerts[i].number == i / 2 + 1);
}
