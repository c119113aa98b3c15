// SPDX-License-Identifier: BSD-2-Clause
// The observer of a live detector: it shows what is in the maps, and it does not disturb the
// detector.
#include "observe/observer.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "common/file_replacement.hpp"
#include "inconclusive.hpp"
#include "load/skeleton.hpp"
#include "observe/following.hpp"
#include "observe/running_cost.hpp"
#include "tests/catch_compat.hpp"
#include "watched.hpp"

using namespace testbed;

namespace {

const std::uint16_t first_port = own_port(0);
const std::string pin_dir = own_pin_dir("observer");
const std::vector<std::string> own_programs = {"jsg_destroy", "jsg_existing", "jsg_preempted",
                                               "jsg_start", "jsg_transition"};

jsguard::Options with_pins(jsguard::Options options) {
    options.pin_dir = pin_dir;
    return options;
}

template <typename Cells>
std::uint64_t total(const Cells& cells) {
    return std::accumulate(std::begin(cells), std::end(cells), std::uint64_t{0});
}

const jsguard::ProgramCost& transition_program(const jsguard::Observation& seen) {
    const auto found = std::find_if(
        seen.cost.programs.begin(), seen.cost.programs.end(),
        [](const auto& program) { return program.name == jsguard::transition_program; });
    REQUIRE(found != seen.cost.programs.end());
    return *found;
}

}  // namespace

TEST_CASE("an observation shows each service's last window with the counts it was judged by",
          "[observer]") {
    const std::uint16_t port = first_port, other = first_port + 1;
    Watched w(with_pins(quick_options({other, port})));
    w.detector.pin();
    const Socket listener = listen_on(port);
    const jsguard::PinnedDetector pinned(pin_dir);
    const jsguard::Observer observer(pinned);
    w.detector.arm_clock();

    const auto stalled = connect_clients(listener, port, 5);
    std::uint64_t last = 0, transitions = 0;
    REQUIRE(w.wait(20, [&] {
        reset_clients(listener, port, 2);
        const auto seen = observer.observe();
        REQUIRE(seen.services.size() == 2);
        const jsguard::ObservedService& busy = seen.services[0];
        CHECK(busy.service.port == port);
        CHECK(seen.services[1].service.port == other);
        if (!busy.service.sequence) return false;
        REQUIRE(busy.window);
        CHECK(busy.window->sequence == busy.service.sequence);
        CHECK(total(busy.window_counts.transitions) == busy.window->transitions);
        CHECK(total(busy.step_counts.transitions) <= busy.window->transitions);
        if (busy.window->sequence > last) transitions += total(busy.step_counts.transitions);
        last = busy.window->sequence;
        // The samples of each step find each stalled connection in one cell.
        if (last > 2) CHECK(total(busy.step_counts.occupancy) >= stalled.size());
        CHECK(busy.baseline.has_value() == (busy.service.mode == JSG_MONITORING));
        CHECK(busy.pending_baseline.has_value() == (busy.service.mode != JSG_MONITORING));
        return last >= 6;
    }));
    // A window may close at any moment.
    const auto windows_before = w.detector.reader().stats().windows;
    const auto seen = observer.observe();
    CHECK(seen.stats.windows >= windows_before);
    CHECK(seen.stats.windows <= w.detector.reader().stats().windows);
    CHECK(transitions > 100);
    CHECK(total(seen.services[0].total_counts.transitions) >= transitions);
}

TEST_CASE("the cost of a detector is that of its own programs and maps", "[observer][bpf stats]") {
    const std::uint16_t port = first_port + 2;
    Watched w(with_pins(quick_options({port})));
    w.detector.pin();
    const Socket listener = listen_on(port);
    const jsguard::PinnedDetector pinned(pin_dir);
    const jsguard::Observer observer(pinned);
    w.detector.arm_clock();
    REQUIRE(w.wait_for_steps(1, 2));

    const auto before = observer.observe();
    std::vector<std::string> programs;
    for (const auto& program : before.cost.programs) programs.push_back(program.name);
    CHECK(programs == own_programs);
    // About three times the table of slots, and more for each CPU.
    CHECK(before.cost.map_bytes.value() > 8 * 1024 * 1024);
    CHECK(before.cost.map_bytes.value() < std::uint64_t{64} * 1024 * 1024);
    CHECK(before.cost.uptime_ns.value() < 60 * jsguard::second_ns);
    CHECK_FALSE(jsguard::has_ended(before));
    // Each tick samples a slice and makes one service step. There are 64 ticks in a step of 1 s.
    CHECK(before.cost.ticks.count >= 2 * JSG_SERVICES);
    CHECK(before.cost.ticks.longest_ns >= before.cost.ticks.total_ns / before.cost.ticks.count);
    CHECK(before.silent_ns < jsguard::second_ns);

    constexpr int connections = 50;
    std::uint64_t measured = 0;
    {
        const jsguard::FileDescriptor statistics(bpf_enable_stats(BPF_STATS_RUN_TIME));
        REQUIRE(statistics.get() >= 0);
        reset_clients(listener, port, connections);
        const auto& program = transition_program(observer.observe());
        measured = program.runs - transition_program(before).runs;
        CHECK(measured >= 3 * connections);
        CHECK(program.run_ns > transition_program(before).run_ns);
    }
    CHECK(wait_until(1, [&] {
        const auto after = observer.observe();
        return after.cost.ticks.count > before.cost.ticks.count &&
               after.cost.uptime_ns > before.cost.uptime_ns;
    }));
}

TEST_CASE("an observer reports whether a detector has a loader", "[observer]") {
    auto w = std::make_unique<Watched>(with_pins(quick_options({own_port(5)})));
    w->detector.pin();
    const jsguard::PinnedDetector pinned(pin_dir);
    const jsguard::Observer observer(pinned);
    CHECK(observer.observe().attended == true);
    w.reset();  // removes the pin directory too
    CHECK_FALSE(observer.observe().attended.has_value());
}

TEST_CASE("an observer does not keep a detector's timer ticking", "[observer]") {
    const std::uint16_t port = first_port + 3;
    auto w = std::make_unique<Watched>(with_pins(quick_options({port})));
    w->detector.pin();
    const jsguard::PinnedDetector pinned(pin_dir);
    const jsguard::Observer observer(pinned);
    CHECK_FALSE(jsguard::has_ended(observer.observe()));  // though it has not ticked yet
    w->detector.arm_clock();
    REQUIRE(w->wait_for_steps(1, 2));
    CHECK(observer.observe().silent_ns < jsguard::second_ns);
    w.reset();
    CHECK_FALSE(pinned.is_pinned());
    // The kernel frees the detector a moment later.
    CHECK(wait_until(5, [&] { return observer.observe().silent_ns > 2 * jsguard::second_ns; }));
    const auto ticks = observer.observe().cost.ticks.count;
    pause_ms(100);
    CHECK(observer.observe().cost.ticks.count == ticks);
}

TEST_CASE("a service entry's window is that of the entry's present service", "[observer]") {
    const std::uint16_t port = first_port + 4;
    Watched w(with_pins(quick_options({port})));
    w.detector.pin();
    const jsguard::PinnedDetector pinned(pin_dir);
    const int windows = bpf_map__fd(w.detector.skeleton().maps.windows);
    const jsg_window_key key{1, 5};
    jsg_service service{};
    service.port = port;
    service.started_ns = 1000;
    CHECK_FALSE(pinned.reader().window(1, service, key.index));
    const auto is_taken = [&](std::uint32_t of_port, std::uint64_t end_ns, std::uint64_t sequence) {
        jsg_window record{};
        record.port = of_port;
        record.end_ns = end_ns;
        record.sequence = sequence;
        REQUIRE(bpf_map_update_elem(windows, &key, &record, BPF_ANY) == 0);
        return pinned.reader().window(1, service, key.index).has_value();
    };
    CHECK(is_taken(port, 1000, key.index));
    CHECK_FALSE(is_taken(port + 1, 1000, key.index));
    CHECK_FALSE(is_taken(port, 999, key.index));
    CHECK_FALSE(is_taken(port, 1000, key.index + JSG_WINDOWS_KEPT));
}

TEST_CASE("an observer does not wait for the lost windows of each service", "[observer]") {
    const TimeCritical time_critical;
    std::vector<std::uint16_t> ports(JSG_SERVICES / 2);
    std::iota(ports.begin(), ports.end(), static_cast<std::uint16_t>(first_port + 10));
    Watched w(with_pins(quick_options(ports)));
    w.detector.pin();
    const Socket listener = listen_on(ports[0]);
    const jsguard::PinnedDetector pinned(pin_dir);
    const jsguard::Observer observer(pinned);
    w.detector.arm_clock();
    REQUIRE(w.wait_for_steps(1, 2));
    reset_clients(listener, ports[0], 5);
    REQUIRE(w.wait_for_steps(1, 1));

    // The observer waits 8 ms for all lost windows together. If it waited for each of them, that
    // would take a quarter of a second. On a busy machine, one of several tries is quick enough.
    constexpr double quick_s = 0.1;
    constexpr int max_tries = 5;
    const int windows = bpf_map__fd(w.detector.skeleton().maps.windows);
    double took_s = quick_s;
    std::ptrdiff_t without = 0;
    for (int tries = 0; tries < max_tries && took_s >= quick_s; ++tries) {
        for (std::uint32_t service_id = 1; service_id <= ports.size(); ++service_id) {
            const auto last = w.service(service_id).sequence % JSG_WINDOWS_KEPT;
            const jsg_window_key key{service_id, static_cast<std::uint32_t>(last)};
            bpf_map_delete_elem(windows, &key);
        }
        const double began = now_s();
        const auto seen = observer.observe();
        took_s = now_s() - began;
        REQUIRE(seen.services.size() == ports.size());
        without = std::count_if(seen.services.begin(), seen.services.end(),
                                [](const auto& one) { return !one.window; });
        CHECK(total(seen.services[0].total_counts.transitions) > 0);
    }
    CHECK(took_s < quick_s);
    // Some services may have had a service step since, which wrote a window.
    CHECK(without >= JSG_SERVICES / 4);
}

TEST_CASE("the predicted memory of the maps is what the kernel counts when they exist",
          "[observer]") {
    const jsguard::Options options = quick_options({first_port});
    jsguard::Detector detector;
    detector.load(options, {});
    const auto bytes = [&] {
        return static_cast<double>(
            jsguard::RunningCost(detector.descriptors()).read().map_bytes.value());
    };
    const double predicted = static_cast<double>(jsguard::fixed_map_bytes(detector.skeleton()));
    CAPTURE(predicted, bytes());
    CHECK(bytes() == Approx(predicted).epsilon(0.02));

    const int windows = bpf_map__fd(detector.skeleton().maps.windows);
    const std::uint32_t kept = bpf_map__max_entries(detector.skeleton().maps.windows);
    const double empty = bytes();
    for (std::uint32_t i = 0; i < kept; ++i) {
        const jsg_window_key key{1 + i / JSG_WINDOWS_KEPT, i % JSG_WINDOWS_KEPT};
        const jsg_window record{};
        REQUIRE(bpf_map_update_elem(windows, &key, &record, BPF_NOEXIST) == 0);
    }
    const double more = static_cast<double>(jsguard::growing_map_bytes(detector.skeleton()));
    CAPTURE(more, bytes() - empty);
    CHECK(bytes() - empty == Approx(more).epsilon(0.02));
}

TEST_CASE("a detector that ticks has a loader, even if the kernel does not list its lock",
          "[observer]") {
    Watched w(quick_options({first_port}));
    const std::string not_locked = "/dev/shm";
    const jsguard::MapReader& reader = w.detector.reader();
    CHECK(jsguard::is_attended(reader, not_locked) == false);  // it does not tick yet
    w.detector.arm_clock();
    CHECK(jsguard::is_attended(reader, not_locked) == true);
}
