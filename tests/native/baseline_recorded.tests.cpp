// SPDX-License-Identifier: BSD-2-Clause
// Tests of learning from recordings: which steps are learned, and that the sums are exact.
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "baseline_samples.hpp"
#include "load/options.hpp"
#include "offline/baseline/learn_recorded.hpp"
#include "offline/recording/recording_file.hpp"
#include "tests/catch_compat.hpp"
#include "tests/reference.hpp"

using namespace jsguard;

namespace {

constexpr std::uint64_t start_ms = 1'767'323'045'678;
constexpr std::uint32_t window_steps = 10, delay = 10;

// A recording that is written line by line.
class Script {
  public:
    explicit Script(std::uint32_t step_s = 1) : step_s_(step_s) {
        Options options;
        options.step_s = step_s;
        options.window_s = window_steps * step_s;
        RecordingHeader header{"web1", "6.18.0", start_ms, make_config(options)};
        header.config.cpus = 2;
        text_ = recording_line(header) + "\n";
    }

    void begin(std::uint16_t port, std::uint64_t sequence = 0) {
        RecordedService fresh;
        fresh.service.port = port;
        fresh.service.sequence = sequence;
        add(fresh);
        sequence_[port] = sequence;
    }

    // One step. `accepted` connections were accepted and answered, and `closed` connections closed.
    // `open` sockets are in the first second of a request, and one more socket waits.
    void step(std::uint16_t port, std::uint32_t accepted, std::uint32_t closed, std::uint32_t open,
              jsg_alert_state alert = JSG_QUIET, jsg_signal signal = JSG_OCCUPANCY) {
        RecordedWindow window;
        window.step.transitions[jsg_transition_cell(JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED)] =
            accepted;
        window.step.transitions[jsg_transition_cell(JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE)] = closed;
        window.step.occupancy[JSG_REQUEST_MOVING * JSG_AGES] = open;
        window.step.occupancy[JSG_WAITING * JSG_AGES] = 1;
        window.step.answers = accepted;
        window.step.full_queue_steps = full_queue_;
        auto& past = past_[port];
        past.push_back(window.step);
        if (past.size() > window_steps) past.erase(past.begin());
        for (const jsg_reading& one : past) {
            for (std::size_t cell = 0; cell < JSG_TRANSITION_CELLS; ++cell)
                window.transitions[cell] += one.transitions[cell];
            for (std::size_t cell = 0; cell < JSG_PHASE_CELLS; ++cell)
                window.occupancy[cell] += one.occupancy[cell];
        }
        window.record.port = port;
        window.record.sequence = ++sequence_[port];
        window.record.end_ns = window.record.sequence * step_s_ * 1'000'000'000;
        window.record.end_unix_ms = start_ms + window.record.sequence * step_s_ * 1000;
        window.record.transitions =
            static_cast<std::uint32_t>(reference::total(window.transitions));
        window.record.sockets = open + 1;
        window.record.full_queues = full_queue_;
        window.record.sampled_ppm = 1'000'000;
        (signal == JSG_OCCUPANCY ? window.record.signal[JSG_OCCUPANCY].alert
                                 : window.record.signal[JSG_TRANSITIONS].alert) = alert;
        add(window);
    }
    void steps(std::uint16_t port, std::uint32_t number, jsg_alert_state alert = JSG_QUIET,
               jsg_signal signal = JSG_OCCUPANCY) {
        while (number--) step(port, 30, 20, 5, alert, signal);
    }
    void gap(std::uint16_t port, std::uint64_t windows) {
        add(RecordedGap{port, sequence_[port] + 1, windows});
        sequence_[port] += windows;
    }
    void end(std::uint16_t port) { add(RecordedEnd{port, sequence_[port]}); }
    void fill_queue(bool full) { full_queue_ = full; }

    fs::path write(const fs::path& path) const {
        write_text(path, text_);
        return path;
    }

  private:
    void add(const RecordingEntry& entry) { text_ += recording_line(entry) + "\n"; }

    std::uint32_t step_s_;
    std::uint32_t full_queue_ = 0;
    std::string text_;
    std::map<std::uint16_t, std::uint64_t> sequence_;
    std::map<std::uint16_t, std::vector<jsg_reading>> past_;
};

const std::uint32_t accepted_cell = jsg_transition_cell(JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED);
const std::uint32_t closed_cell = jsg_transition_cell(JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE);

}  // namespace

TEST_CASE("all quiet steps of a recording are learned, to the last count", "[baseline_recorded]") {
    const Directory directory;
    Script script;
    script.begin(80);
    script.steps(80, 97);
    script.fill_queue(true);
    script.steps(80, 3);
    const RecordedPendingBaseline all = pending_baseline_of(script.write(directory / "r.jsonl"));
    CHECK(all.steps.at(80).learned == 100);
    CHECK(all.steps.at(80).left_out == 0);
    const jsg_baseline& pending_baseline = all.file.baselines.at(80);
    CHECK(pending_baseline.learned_s == 100);
    CHECK(pending_baseline.queue_full_s == 3);
    CHECK(pending_baseline.exchanges == 100 * (30 + 30));  // accepted, and answered
    CHECK(pending_baseline.transitions == 100 * 50);
    CHECK(pending_baseline.transition_counts[accepted_cell] == 100 * 30);
    CHECK(pending_baseline.transition_counts[closed_cell] == 100 * 20);
    CHECK(pending_baseline.judged_socket_seconds == 100 * 5);
    CHECK(pending_baseline.waiting_socket_seconds == 100);
    CHECK(pending_baseline.occupancy_socket_seconds[JSG_REQUEST_MOVING * JSG_AGES] == 500);
    CHECK(all.file.origin.host == "web1");
    CHECK(all.file.origin.kernel == "6.18.0");
    CHECK(all.file.origin.unix_ms == start_ms + 100'000);
    CHECK(all.file.origin.step_s == 1);
}

TEST_CASE("socket-seconds are samples times the step", "[baseline_recorded]") {
    const Directory directory;
    Script script(5);
    script.begin(80);
    script.steps(80, 40);
    const BaselineFile file = pending_baseline_of(script.write(directory / "r.jsonl")).file;
    CHECK(file.origin.step_s == 5);
    CHECK(file.baselines.at(80).learned_s == 200);
    CHECK(file.baselines.at(80).judged_socket_seconds == 40 * 5 * 5);
    CHECK(file.baselines.at(80).transitions == 40 * 50);
}

TEST_CASE("the steps of an alert, its confirming steps and the ten before are not learned",
          "[baseline_recorded]") {
    const Directory directory;
    for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY}) {
        Script script;
        script.begin(80);
        script.steps(80, 40);
        script.steps(80, 2, JSG_CONFIRMING, signal);
        script.steps(80, 30, JSG_ALERT, signal);
        script.steps(80, 30);
        const RecordedPendingBaseline all =
            pending_baseline_of(script.write(directory / "r.jsonl"));
        CAPTURE(signal);
        CHECK(all.steps.at(80).learned == 40 - delay + 30);
        CHECK(all.steps.at(80).left_out == delay + 2 + 30);
        CHECK(all.file.baselines.at(80).learned_s == 60);
        CHECK(all.file.baselines.at(80).transitions == 60 * 50);
    }
}

TEST_CASE("the steps just before a gap are not learned, because the gap is unknown",
          "[baseline_recorded]") {
    const Directory directory;
    Script script;
    script.begin(80);
    script.steps(80, 40);
    script.gap(80, 7);
    script.steps(80, 5);
    script.end(80);
    script.begin(80);  // another service on the same port
    script.steps(80, 20);
    const RecordedPendingBaseline all = pending_baseline_of(script.write(directory / "r.jsonl"));
    CHECK(all.steps.at(80).learned == 40 - delay + 5 + 20);
    CHECK(all.steps.at(80).left_out == delay);
}

TEST_CASE("the spread is of windows in the second half, against the steps before each window",
          "[baseline_recorded]") {
    constexpr std::uint32_t number = 100;
    const Directory directory;
    Script script;
    script.begin(80);
    std::vector<std::array<std::uint32_t, 2>> steps;
    for (std::uint32_t i = 0; i < number; ++i) {
        steps.push_back({30 + i % 7, 20 + i / 9});
        script.step(80, steps[i][0], steps[i][1], 5);
    }
    const jsg_spread found = pending_baseline_of(script.write(directory / "r.jsonl"))
                                 .file.baselines.at(80)
                                 .spread[JSG_TRANSITIONS];
    jsg_spread expected{};
    const auto sum = [&](std::uint32_t from, std::uint32_t to) {
        std::array<std::uint32_t, 2> counts{};
        for (std::uint32_t i = from; i < to; ++i)
            for (std::size_t cell = 0; cell < 2; ++cell) counts[cell] += steps[i][cell];
        return counts;
    };
    long double all = 0, largest = 0;
    for (std::uint32_t end = (number + 1) / 2 + window_steps; end <= number; ++end) {
        const auto js = reference::js(sum(end - window_steps, end), sum(0, end - window_steps));
        all += js;
        largest = std::max(largest, js);
        ++expected.windows;
    }
    CHECK(found.windows == expected.windows);
    CHECK(found.mean_nanobits / 1e9 ==
          Approx(static_cast<double>(all / expected.windows)).epsilon(0).margin(1e-6));
    CHECK(found.maximum_nanobits / 1e9 ==
          Approx(static_cast<double>(largest)).epsilon(0).margin(1e-7));
    CHECK(found.deviation_nanobits > 0);
    CHECK(found.sum_microbits == 0);
    CHECK(found.sum_of_squares == 0);
}

TEST_CASE("the spread of each port is that of its own second half", "[baseline_recorded]") {
    const Directory directory;
    const auto spread_of = [&](std::uint16_t port, bool alone) {
        Script script;
        script.begin(port);
        if (!alone) script.begin(8080);
        if (!alone) script.begin(8081);
        for (std::uint32_t i = 0; i < 40; ++i) {
            script.step(port, 30 + i % 7, 20 + i / 9, 5 + i % 3);
            if (!alone) script.step(8081, 30 + i % 7, 20 + i / 9, 5 + i % 3);
        }
        if (!alone) script.steps(8080, 200);
        const RecordedPendingBaseline all =
            pending_baseline_of(script.write(directory / "r.jsonl"));
        CHECK(all.file.baselines.size() == (alone ? 1 : 3));
        if (!alone) CHECK(all.file.baselines.at(8080).spread[JSG_OCCUPANCY].windows == 91);
        if (!alone) CHECK(all.file.baselines.at(8080).learned_s == 200);
        return all.file.baselines.at(alone ? port : 8081);
    };
    const jsg_baseline beside = spread_of(80, false), alone = spread_of(80, true);
    CHECK(alone.spread[JSG_TRANSITIONS].windows == 11);
    CHECK(alone.spread[JSG_OCCUPANCY].windows == 11);
    CHECK(std::memcmp(&beside, &alone, sizeof(alone)) == 0);
}

TEST_CASE("lines that are appended while the recording is read are left for the next time",
          "[baseline_recorded]") {
    const Directory directory;
    Script script;
    script.begin(80);
    script.steps(80, 300);
    const fs::path path = script.write(directory / "r.jsonl");
    Script later;
    later.begin(80, 300);
    later.steps(80, 2000);
    std::ifstream lines(later.write(directory / "later.jsonl"));
    std::string line;
    for (int i = 0; i < 2; ++i) std::getline(lines, line);  // header and service
    std::atomic<bool> read = false;
    std::thread recorder([&] {
        std::ofstream out(path, std::ios::app);
        while (!read && std::getline(lines, line)) {
            out << line << std::endl;
            // This is slower than reading, so the first pass ends before the last line is written.
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    });
    std::string refused;
    std::optional<RecordedPendingBaseline> all;
    try {
        all = pending_baseline_of(path);
    } catch (const Error& error) {
        refused = error.what();
    }
    read = true;
    recorder.join();
    CHECK(refused == "");
    REQUIRE(all);
    CHECK(all->steps.at(80).learned >= 300);
    CHECK(all->file.baselines.at(80).learned_s == all->steps.at(80).learned);
}

TEST_CASE("several recordings are learned together, ports with too little traffic are left out",
          "[baseline_recorded]") {
    const Directory directory;
    Script one, other;
    one.begin(80);
    one.begin(443);
    one.begin(8080, 60);
    one.steps(80, 12);
    one.steps(443, 50);
    other.begin(80);
    other.steps(80, 25);
    const std::vector<fs::path> both = {one.write(directory / "1.jsonl"),
                                        other.write(directory / "2.jsonl")};
    const BaselineFile learned = learned_from(both, {});
    REQUIRE(learned.baselines.size() == 2);
    CHECK(learned.baselines.at(80).transitions == 37 * 50);
    CHECK(learned.baselines.at(443).transitions == 50 * 50);
    CHECK(learned.origin.host == "web1");
    CHECK(baselines_from_json(baselines_to_json(learned.baselines, learned.origin)).size() == 2);

    const BaselineFile alone = learned_from(both, 443);
    CHECK(alone.baselines.size() == 1);
    CHECK(contains(refusal([&] { learned_from(both, 8080); }), "too little traffic of port 8080"));
    CHECK(contains(refusal([&] { learned_from(both, 81); }), "too little traffic of port 81"));
    CHECK_FALSE(refusal([&] { pending_baseline_of(directory / "absent.jsonl"); }).empty());
}

TEST_CASE("counts of more than 32 bits are refused, and not cut", "[baseline_recorded]") {
    const Directory directory;
    Script script;
    script.begin(80);
    for (int i = 0; i < 3; ++i) script.step(80, UINT32_MAX / 2, 0, 5);
    const fs::path path = script.write(directory / "r.jsonl");
    CHECK(contains(refusal([&] { pending_baseline_of(path); }), "the counts exceed 32 bits"));
}
