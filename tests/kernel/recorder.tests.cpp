// SPDX-License-Identifier: BSD-2-Clause
// The recorder of a live detector: every window with its exact counts, and the number of missed
// ones.
#include "observe/recorder.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <numeric>
#include <string>
#include <variant>
#include <vector>

#include "common/error.hpp"
#include "observe/pinned_detector.hpp"
#include "tests/catch_compat.hpp"
#include "watched.hpp"

using namespace testbed;

namespace {

const std::uint16_t first_port = own_port(0);
const std::string pin_dir = own_pin_dir("recorder");

using Entries = std::vector<jsguard::RecordingEntry>;

template <typename Entry>
std::vector<Entry> all_of(const Entries& entries) {
    std::vector<Entry> found;
    for (const auto& entry : entries) {
        if (const auto* one = std::get_if<Entry>(&entry)) found.push_back(*one);
    }
    return found;
}

struct Recorded {
    explicit Recorded(const jsguard::Options& options, const jsguard::Baselines& baselines = {})
        : w(with_pins(options), baselines) {
        w.detector.pin();
    }
    // Resets clients every 100 ms for this many steps. recorder: follows the detector, or nullptr.
    void run(jsguard::Recorder* recorder, const Socket& listener, std::uint16_t port,
             std::uint64_t steps) {
        const auto until = w.service(1).sequence + steps;
        REQUIRE(w.wait(static_cast<double>(steps) + 5, [&] {
            if (recorder) recorder->follow();
            if (now_s() > next_s_) {
                next_s_ = now_s() + 0.1;
                reset_clients(listener, port, 3);
            }
            return w.service(1).sequence >= until;
        }));
    }
    static jsguard::Options with_pins(jsguard::Options options) {
        options.pin_dir = pin_dir;
        return options;
    }

    Watched w;
    Entries entries;
    double next_s_ = 0;
};

template <typename Cells>
std::uint64_t total(const Cells& cells) {
    return std::accumulate(std::begin(cells), std::end(cells), std::uint64_t{0});
}

// Checks that the counts of the window are the sum of the counts of its recorded steps.
void check_steps(const std::vector<jsg_reading>& steps, const jsguard::RecordedWindow& window,
                 std::size_t window_steps) {
    const std::size_t used = std::min<std::size_t>(window_steps, window.record.sequence);
    REQUIRE(steps.size() >= used);
    std::array<std::uint32_t, JSG_TRANSITION_CELLS> transitions{};
    std::array<std::uint32_t, JSG_PHASE_CELLS> occupancy{};
    for (std::size_t i = steps.size() - used; i < steps.size(); ++i) {
        for (std::size_t c = 0; c < transitions.size(); ++c)
            transitions[c] += steps[i].transitions[c];
        for (std::size_t c = 0; c < occupancy.size(); ++c) occupancy[c] += steps[i].occupancy[c];
    }
    CHECK(transitions == window.transitions);
    CHECK(occupancy == window.occupancy);
    CHECK(total(window.transitions) == window.record.transitions);
}

}  // namespace

TEST_CASE("a recorder delivers every window of a service from the first on, with exact counts",
          "[recorder][slow]") {
    const std::uint16_t port = first_port, other = first_port + 1;
    Recorded r(quick_options({port, other}));
    const Socket listener = listen_on(port);
    const jsguard::PinnedDetector pinned(pin_dir);
    jsguard::Recorder recorder(pinned.reader(), port,
                               [&](const auto& e) { r.entries.push_back(e); });
    recorder.follow();
    r.w.detector.arm_clock();
    const auto stalled = connect_clients(listener, port, 30);
    r.run(&recorder, listener, port, 5);
    const std::uint64_t before_asking = r.w.service(1).sequence;
    r.w.detector.reader().request_relearning();
    const std::uint64_t after_asking = r.w.service(1).sequence;
    r.run(&recorder, listener, port, JSG_LEARN_DELAY_STEPS + 6);
    REQUIRE(r.w.wait(1, [&] {
        recorder.follow();
        return recorder.windows() == r.w.service(1).sequence;
    }));

    const auto services = all_of<jsguard::RecordedService>(r.entries);
    REQUIRE(services.size() == 1);
    CHECK(services[0].service.port == port);
    CHECK(services[0].service.sequence == 0);
    CHECK(services[0].history.empty());
    CHECK(all_of<jsguard::RecordedGap>(r.entries).empty());
    CHECK(recorder.missed() == 0);
    CHECK(recorder.services() == 1);

    const auto windows = all_of<jsguard::RecordedWindow>(r.entries);
    const auto live = r.w.windows(1);
    REQUIRE(windows.size() <= live.size());
    REQUIRE(windows.size() >= 15 + JSG_LEARN_DELAY_STEPS - 10);
    std::vector<jsg_reading> steps;
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < windows.size(); ++i) {
        CAPTURE(i);
        CHECK(std::memcmp(&windows[i].record, &live[i], sizeof(live[i])) == 0);
        steps.push_back(windows[i].step);
        seen += total(windows[i].step.transitions);
        check_steps(steps, windows[i], window_s);
        CHECK(windows[i].threshold_nanobits[JSG_OCCUPANCY] == JSG_DEFAULT_THRESHOLD_NANOBITS);
        if (i > 0)
            CHECK(windows[i].listeners == 1);  // the first samples may come before the listener
    }
    CHECK(seen > 0);
    CHECK(total(windows.back().occupancy) >= 30 * window_s);

    // The service learned at the start, and was asked once to relearn.
    const auto baselines = all_of<jsguard::RecordedBaseline>(r.entries);
    REQUIRE(baselines.size() >= 1);
    CHECK(baselines[0].sequence >= 3);
    const auto in_force = r.w.baseline(1);
    CHECK(std::memcmp(&baselines.back().baseline, &in_force, sizeof(in_force)) == 0);
    const auto relearnings = all_of<jsguard::RecordedRelearning>(r.entries);
    REQUIRE(relearnings.size() == 1);
    // The next service step takes up the request. One may be closing a window just now.
    CHECK(relearnings[0].sequence > before_asking);
    CHECK(relearnings[0].sequence <= after_asking + 2);
}

TEST_CASE("a late recorder begins with the service's state, and reports what it missed",
          "[recorder][slow]") {
    const std::uint16_t port = first_port + 2;
    Recorded r(quick_options({port}));
    const Socket listener = listen_on(port);
    r.w.detector.arm_clock();
    const auto stalled = connect_clients(listener, port, 30);
    r.run(nullptr, listener, port, JSG_LEARN_DELAY_STEPS + 5);

    const jsguard::PinnedDetector pinned(pin_dir);
    CHECK(pinned.reader().config().window_steps == window_s);
    bool blocks = false;
    jsguard::Recorder recorder(pinned.reader(), 0, [&](const jsguard::RecordingEntry& entry) {
        r.entries.push_back(entry);
        if (!blocks || !std::holds_alternative<jsguard::RecordedWindow>(entry)) return;
        // Blocks as a pipe that nobody reads would. While the recorder is blocked, the detector
        // overwrites the next readings, and puts a new baseline in force.
        blocks = false;
        r.run(nullptr, listener, port, JSG_LEARN_DELAY_STEPS + 10);
    });
    r.run(&recorder, listener, port, 4);
    const auto services = all_of<jsguard::RecordedService>(r.entries);
    REQUIRE(services.size() == 1);
    const jsguard::RecordedService& begun = services[0];
    CHECK(begun.service.sequence >= JSG_LEARN_DELAY_STEPS + 5);
    CHECK(begun.service.mode == JSG_MONITORING);
    REQUIRE(begun.baseline);
    const auto in_force = r.w.baseline(1);
    CHECK(std::memcmp(&*begun.baseline, &in_force, sizeof(in_force)) == 0);
    REQUIRE(begun.history.size() == JSG_LEARN_DELAY_STEPS);

    const auto before = all_of<jsguard::RecordedWindow>(r.entries).size();
    REQUIRE(before >= 3);
    blocks = true;
    r.w.detector.reader().request_relearning();
    r.run(&recorder, listener, port, 2);
    CHECK_FALSE(blocks);
    r.run(&recorder, listener, port, 4);
    const auto gaps = all_of<jsguard::RecordedGap>(r.entries);
    REQUIRE(gaps.size() == 1);
    CHECK(gaps[0].port == port);
    CHECK(gaps[0].windows == recorder.missed());
    CHECK(gaps[0].windows >= JSG_LEARN_DELAY_STEPS + 9);

    // All delivered windows have exact counts, and are consecutive except for the gap.
    auto steps = begun.history;
    std::uint64_t sequence = begun.service.sequence;
    for (const auto& window : all_of<jsguard::RecordedWindow>(r.entries)) {
        if (window.record.sequence == gaps[0].sequence + gaps[0].windows) {
            sequence += gaps[0].windows;
            steps.clear();
        }
        CAPTURE(sequence);
        CHECK(window.record.sequence == ++sequence);
        CHECK(total(window.transitions) == window.record.transitions);
        steps.push_back(window.step);
        if (steps.size() >= window_s) check_steps(steps, window, window_s);
    }
    CHECK(sequence > gaps[0].sequence + gaps[0].windows);

    const auto baselines = all_of<jsguard::RecordedBaseline>(r.entries);
    REQUIRE(baselines.size() == 1);
    CHECK(baselines[0].sequence == gaps[0].sequence + gaps[0].windows - 1);
    const auto learned = r.w.baseline(1);
    CHECK(std::memcmp(&baselines[0].baseline, &learned, sizeof(learned)) == 0);
    CHECK(std::memcmp(&learned, &in_force, sizeof(learned)) != 0);
}

TEST_CASE("a window that the kernel could not keep is a gap of one in the recording",
          "[recorder]") {
    const std::uint16_t port = first_port + 3;
    Recorded r(quick_options({port}));
    const Socket listener = listen_on(port);
    const jsguard::PinnedDetector pinned(pin_dir);
    jsguard::Recorder recorder(pinned.reader(), 0, [&](const auto& e) { r.entries.push_back(e); });
    recorder.follow();
    r.w.detector.arm_clock();
    r.run(&recorder, listener, port, 3);
    REQUIRE(r.w.wait(1, [&] {
        recorder.follow();
        return recorder.windows() == r.w.service(1).sequence;
    }));
    const std::uint64_t lost = r.w.service(1).sequence + 1;
    r.run(nullptr, listener, port, 1);
    const int windows = bpf_map__fd(r.w.detector.skeleton().maps.windows);
    const jsg_window_key key{1, static_cast<std::uint32_t>(lost)};
    REQUIRE(r.w.wait(1, [&] { return bpf_map_delete_elem(windows, &key) == 0; }));
    r.run(&recorder, listener, port, 3);

    const auto gaps = all_of<jsguard::RecordedGap>(r.entries);
    REQUIRE(gaps.size() == 1);
    CHECK(gaps[0].port == port);
    CHECK(gaps[0].sequence == lost);
    CHECK(gaps[0].windows == 1);
    CHECK(recorder.missed() == 1);
    std::uint64_t sequence = 0;
    for (const auto& window : all_of<jsguard::RecordedWindow>(r.entries)) {
        if (++sequence == lost) ++sequence;
        CHECK(window.record.sequence == sequence);
        CHECK(total(window.transitions) == window.record.transitions);
        CHECK(total(window.step.transitions) <= window.record.transitions);
    }
    CHECK(sequence >= lost + 2);
}

TEST_CASE("a pin directory without a detector is refused with what to do", "[recorder]") {
    enter_namespace();
    try {
        const jsguard::PinnedDetector none(own_pin_dir("nobody-is-here"));
        FAIL("found a detector");
    } catch (const jsguard::Error& error) {
        CHECK(error.code() == jsguard::ExitCode::runtime);
        CHECK(std::string(error.what()).find("start jsguard-load") != std::string::npos);
    }
}
