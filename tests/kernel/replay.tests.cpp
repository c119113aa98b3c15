// SPDX-License-Identifier: BSD-2-Clause
// The replay of a live detector's recording has the same windows and the same alerts.
#include "offline/replay/replay.hpp"

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "observe/pinned_detector.hpp"
#include "observe/recorder.hpp"
#include "offline/recording/recording_file.hpp"
#include "tests/catch_compat.hpp"
#include "watched.hpp"

using namespace testbed;

namespace {

const std::uint16_t busy = own_port(0), attacked = own_port(1);
const std::string pin_dir = own_pin_dir("replay");

jsguard::Options pinned_options() {
    jsguard::Options options = quick_options({busy, attacked});
    options.pin_dir = pin_dir;
    options.false_alarm_exponent = 2;           // a baseline of three seconds has few samples
    options.transition_threshold_nanobits = 0;  // from the spread, which is replayed too
    return options;
}

// A recording in a temporary file.
class RecordingFile {
  public:
    explicit RecordingFile(const jsg_config& config)
        : path_(std::filesystem::temp_directory_path() /
                ("jsguard-replay-" + std::to_string(getpid()) + "-" + std::to_string(++made_))),
          file_(path_) {
        file_ << jsguard::recording_line(jsguard::RecordingHeader{"host", "kernel", 1, config})
              << '\n';
    }
    ~RecordingFile() { std::filesystem::remove(path_); }
    RecordingFile(const RecordingFile&) = delete;
    RecordingFile& operator=(const RecordingFile&) = delete;

    void add(const jsguard::RecordingEntry& entry) {
        file_ << jsguard::recording_line(entry) << '\n';
    }
    jsguard::RecordingReader read() {
        file_.flush();
        return jsguard::RecordingReader(path_);
    }

  private:
    static inline int made_ = 0;
    std::filesystem::path path_;
    std::ofstream file_;
};

// A detector, and the recorders that follow it while the test waits.
struct Run {
    Run() : w(pinned_options()) { w.detector.pin(); }
    template <typename Condition>
    bool wait(double seconds, Condition condition) {
        return w.wait(seconds, [&] {
            if (now_s() > next_s) {
                next_s = now_s() + 0.2;
                reset_clients(busy_listener, busy, 3);
            }
            for (jsguard::Recorder* recorder : recorders) recorder->follow();
            return condition();
        });
    }
    bool wait_for_steps(std::uint64_t steps) {
        const auto until = w.service(2).sequence + steps;
        return wait(static_cast<double>(steps) + 5, [&] { return w.service(2).sequence >= until; });
    }

    Watched w;
    Socket busy_listener = listen_on(busy), attacked_listener = listen_on(attacked);
    std::vector<jsguard::Recorder*> recorders;
    double next_s = 0;
};

// Replays a recording of the run, and returns the alerts. Each window must equal the live one.
std::vector<jsg_alert> replayed_alerts(jsguard::RecordingReader reader, const Run& run,
                                       std::size_t windows) {
    const std::vector<jsg_window> live[] = {run.w.windows(1), run.w.windows(2)};
    jsguard::Replay replay(reader.header());
    std::vector<jsg_alert> alerts;
    while (const auto entry = reader.next()) {
        const jsguard::Replayed replayed = replay.take(*entry);
        alerts.insert(alerts.end(), replayed.alerts.begin(), replayed.alerts.end());
        if (!replayed.window) continue;
        const jsg_window& window = *replayed.window;
        const jsg_window& wanted = live[window.port - busy].at(window.sequence - 1);
        CAPTURE(window.port, window.sequence,
                jsguard::window_difference(wanted, window).value_or("equal"));
        REQUIRE(std::memcmp(&window, &wanted, sizeof(window)) == 0);
    }
    CHECK(replay.windows() == windows);
    CHECK(replay.missing_windows() == 0);
    return alerts;
}

// Checks that the replayed alerts are the last live alerts, except for the sources.
void check_alerts(const std::vector<jsg_alert>& replayed, const std::vector<jsg_alert>& live) {
    REQUIRE(replayed.size() <= live.size());
    for (std::size_t i = 0; i < replayed.size(); ++i) {
        jsg_alert wanted = live[live.size() - replayed.size() + i];
        wanted.sources = {};
        CAPTURE(i, wanted.number, wanted.event, wanted.port);
        CHECK(std::memcmp(&replayed[i], &wanted, sizeof(wanted)) == 0);
    }
}

}  // namespace

TEST_CASE("the replay of a recorded run has the live windows and alerts, bit for bit",
          "[replay][slow]") {
    Run run;
    const jsguard::PinnedDetector pinned(pin_dir);
    RecordingFile whole_file(pinned.reader().config()), late_file(pinned.reader().config());
    jsguard::Recorder whole(pinned.reader(), 0, [&](const auto& entry) { whole_file.add(entry); });
    jsguard::Recorder late(pinned.reader(), 0, [&](const auto& entry) { late_file.add(entry); });
    run.recorders = {&whole};
    whole.follow();
    run.w.detector.arm_clock();

    // Learning.
    std::vector<Ends> stalled[] = {connect_clients(run.busy_listener, busy, 22),
                                   connect_clients(run.attacked_listener, attacked, 22)};
    reset_clients(run.attacked_listener, attacked, 40);
    REQUIRE(run.wait(20, [&] {
        return run.w.service(1).mode == JSG_MONITORING && run.w.service(2).mode == JSG_MONITORING;
    }));

    // An attack. Another recorder begins in the middle of it.
    auto attackers = connect_clients(run.attacked_listener, attacked, 90);
    REQUIRE(run.wait(15, [&] { return !run.w.alerts.empty(); }));
    const auto raised_before = run.w.alerts.size();
    run.recorders.push_back(&late);
    REQUIRE(run.wait_for_steps(2));
    // The other connections are so old now that they alone would keep the alert up. So end them
    // too.
    attackers.clear();
    stalled[1].clear();
    REQUIRE(run.wait(20, [&] { return run.w.alerts.size() > raised_before; }));

    // Relearning, a flood of resets, and its end.
    run.w.detector.reader().request_relearning();
    REQUIRE(run.wait(40, [&] { return run.w.service(1).baselines_learned == 2; }));
    reset_clients(run.attacked_listener, attacked, 400);
    REQUIRE(run.wait_for_steps(window_s + 6));
    REQUIRE(run.w.wait(2, [&] {
        for (jsguard::Recorder* recorder : run.recorders) recorder->follow();
        return whole.windows() == run.w.service(1).sequence + run.w.service(2).sequence;
    }));

    CHECK(run.w.alerts[0].port == attacked);
    CHECK(run.w.alerts[0].signal == JSG_OCCUPANCY);
    const auto alerts = replayed_alerts(whole_file.read(), run, whole.windows());
    CHECK(alerts.size() == run.w.alerts.size());
    check_alerts(alerts, run.w.alerts);
    const auto late_alerts = replayed_alerts(late_file.read(), run, late.windows());
    CHECK(late_alerts.size() >= 1);
    CHECK(late_alerts.size() + raised_before == run.w.alerts.size());
    check_alerts(late_alerts, run.w.alerts);
}
