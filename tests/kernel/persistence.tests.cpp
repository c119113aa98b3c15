// SPDX-License-Identifier: BSD-2-Clause
// A persisted detector remains without its loader. The next loader joins, replaces, refuses or
// removes it.
#include <bpf/bpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

#include "lasting.hpp"
#include "load/persisted.hpp"
#include "observe/observation.hpp"
#include "usual.hpp"

using namespace testbed;
using jsguard::Detector;
namespace fs = std::filesystem;

namespace {

const std::uint16_t port = persisted_port;
const std::uint16_t other_port = persisted_port + 1;

// The IDs of the programs that count transitions.
using Programs = std::array<std::uint32_t, 2>;

Programs pinned_programs() {
    Programs ids{};
    auto* id = ids.data();
    for (const char* name : {"/persist/program", "/persist/destroy_program"}) {
        const int program = bpf_obj_get((pin_dir() + name).c_str());
        REQUIRE(program >= 0);
        bpf_prog_info info{};
        std::uint32_t size = sizeof(info);
        CHECK(bpf_obj_get_info_by_fd(program, &info, &size) == 0);
        close(program);
        *id++ = info.id;
    }
    return ids;
}

// Waits until the kernel has freed the programs, which may take a moment.
bool are_unloaded(const Programs& programs) {
    return wait_until(5, [&] {
        return std::all_of(programs.begin(), programs.end(), [](std::uint32_t program) {
            const int fd = bpf_prog_get_fd_by_id(program);
            if (fd >= 0) close(fd);
            return fd < 0 && errno == ENOENT;
        });
    });
}

template <typename Value>
Value pinned_value(const char* name) {
    const int map = bpf_obj_get((pin_dir() + "/" + name).c_str());
    REQUIRE(map >= 0);
    const std::uint32_t zero = 0;
    Value value{};
    CHECK(bpf_map_lookup_elem(map, &zero, &value) == 0);
    close(map);
    return value;
}

std::uint64_t pinned_ticks() { return pinned_value<jsg_ticks>("ticks").count; }
jsg_config pinned_config() { return pinned_value<jsg_config>("config"); }

bool keeps_ticking() {
    const std::uint64_t before = pinned_ticks();
    return wait_until(5, [&] { return pinned_ticks() > before; });
}

void set_pinned_config(const jsg_config& config) {
    const int map = bpf_obj_get((pin_dir() + "/config").c_str());
    REQUIRE(map >= 0);
    const std::uint32_t zero = 0;
    CHECK(bpf_map_update_elem(map, &zero, &config, BPF_ANY) == 0);
    close(map);
}

}  // namespace

TEST_CASE("a persisted detector counts without its loader, and the next loader continues with it",
          "[persistence]") {
    const PinCleanup cleanup;
    const Socket listener = listen_on(port);
    std::uint64_t instance = 0, sequence = 0;
    {
        Detector first;
        start(first, persisted_options());
        reset_clients(listener, port, 30);
        instance = first.reader().config().instance;
        sequence = first.reader().service(1).sequence;
    }
    reset_clients(listener, port, 50);  // while no loader runs
    CHECK(keeps_ticking());
    pause_ms(2500);

    Detector next;
    REQUIRE(next.join(persisted_options()));
    CHECK(contains(next.notes().at(0), "continues with the detector in"));
    CHECK(next.reader().config().instance == instance);
    CHECK(next.reader().service(1).port == port);
    CHECK(next.reader().service(1).sequence >= sequence + 2);
    reset_clients(listener, port, 20);
    const auto counts = counted(next, 1);
    CHECK(counts.at({JSG_TCP_LISTEN, JSG_TCP_SYN_RECV}) == 100);
    CHECK(counts.at({JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED}) == 100);
    CHECK(next.reader().is_ticking());
    // There is one record for each step, with a loader and without one.
    const auto last = next.reader().service(1).sequence;
    for (std::uint64_t one = 2; one < last; ++one) {
        CAPTURE(one);
        const auto record = window(next, 1, one), before = window(next, 1, one - 1);
        REQUIRE(record);
        REQUIRE(before);
        CHECK(record->end_ns - before->end_ns < 2'000'000'000);
    }
}

TEST_CASE("alerts that nobody read are kept, and delivered once and in order",
          "[persistence][slow]") {
    const PinCleanup cleanup;
    const Socket listener = listen_on(port);
    const jsguard::Baselines given = {{port, usual_baseline()}};
    std::uint64_t instance = 0;
    {
        Detector first;
        start(first, persisted_options(), given);
        instance = first.reader().config().instance;
    }
    const int map = bpf_obj_get((pin_dir() + "/services").c_str());
    REQUIRE(map >= 0);
    const auto state = [&] {
        const std::uint32_t service_id = 1;
        jsg_service service{};
        CHECK(bpf_map_lookup_elem(map, &service_id, &service) == 0);
        return service.alerts[JSG_OCCUPANCY].state;
    };
    for (int i = 0; i < 2; ++i) {
        {
            const auto stalled = connect_clients(listener, port, 60);
            CHECK(wait_until(15, [&] { return state() == JSG_ALERT; }));
        }
        CHECK(wait_until(20, [&] { return state() == JSG_QUIET; }));
    }
    close(map);

    std::vector<jsg_alert> alerts;
    const auto keep = [&](const jsg_alert& alert) {
        if (alert.signal == JSG_OCCUPANCY) alerts.push_back(alert);
    };
    {
        Detector second;
        REQUIRE(second.join(persisted_options(), given));
        CHECK(second.reader().config().instance == instance);
        second.poll(0, keep, 1);  // a loader that ends at the first alert leaves the others
        CHECK(alerts.size() <= 1);
        second.persist();
    }
    {
        Detector third;
        REQUIRE(third.join(persisted_options(), given));
        third.poll(0, keep);
        REQUIRE(alerts.size() == 4);
        for (std::size_t i = 0; i < 4; ++i) {
            CAPTURE(i);
            CHECK(alerts[i].event == (i % 2 ? JSG_CLEAR : JSG_RAISE));
            if (i) CHECK(alerts[i].at_unix_ms > alerts[i - 1].at_unix_ms);
            if (i % 2) CHECK(alerts[i].number == alerts[i - 1].number);
        }
        CHECK(alerts[2].number > alerts[0].number);
        third.persist();
    }
    Detector fourth;
    REQUIRE(fourth.join(persisted_options(), given));
    fourth.poll(0, keep);
    CHECK(alerts.size() == 4);
}

TEST_CASE("a detector with other options is replaced, and its baseline and unread alert are kept",
          "[persistence]") {
    const PinCleanup cleanup;
    const Socket listener = listen_on(port);
    std::uint64_t instance = 0;
    {
        Detector first;
        start(first, persisted_options(), {{port, usual_baseline()}});
        instance = first.reader().config().instance;
        const auto stalled = connect_clients(listener, port, 60);
        CHECK(wait_until(15, [&] {
            return first.reader().service(1).alerts[JSG_OCCUPANCY].state == JSG_ALERT;
        }));
    }
    const Programs programs = pinned_programs();
    jsguard::Options options = persisted_options({port, other_port});
    Detector next;
    REQUIRE_FALSE(next.join(options));
    REQUIRE(next.notes().size() == 1);
    CHECK(contains(next.notes().front(), "was started with other options: it is replaced"));
    std::vector<std::uint64_t> left_over;
    start(next, options, {}, [&](const jsg_alert& alert, std::uint64_t from_instance) {
        if (alert.signal == JSG_OCCUPANCY && alert.event == JSG_RAISE)
            left_over.push_back(from_instance);
    });
    CHECK(left_over == std::vector{instance});
    CHECK(next.reader().config().instance != instance);
    REQUIRE(next.reader().learned_baselines().count(port) == 1);
    CHECK(next.reader().learned_baselines().at(port).transitions == usual_baseline().transitions);
    CHECK(next.reader().learned_baselines().count(other_port) == 0);
    CHECK(are_unloaded(programs));
    CHECK(pinned_programs() != programs);
}

TEST_CASE("one loader at a time, and the second disturbs nothing", "[persistence]") {
    const PinCleanup cleanup;
    Detector first;
    start(first, persisted_options());
    const auto refused = [&](const std::function<void(Detector&)>& attempt) {
        Detector second;
        return refusal_of([&] { attempt(second); }, jsguard::ExitCode::runtime);
    };
    CHECK(contains(refused([](Detector& d) { d.join(persisted_options()); }),
                   "another jsguard-load"));
    CHECK(contains(refused([](Detector& d) { d.load(persisted_options({other_port}), {}); }),
                   "another jsguard-load"));
    CHECK(contains(refusal_of([] { jsguard::Pins pins(pin_dir()); }, jsguard::ExitCode::runtime),
                   "another jsguard-load"));
    CHECK(keeps_ticking());
    CHECK(first.reader().service(1).port == port);
}

TEST_CASE("a detector of another version is replaced if its baselines have our layout, else left",
          "[persistence]") {
    const PinCleanup cleanup;
    {
        Detector first;
        start(first, persisted_options(), {{port, usual_baseline()}});
    }
    const bool other_schema = GENERATE(false, true);
    const bool alike = GENERATE(true, false);
    CAPTURE(other_schema, alike);
    jsg_config config = pinned_config();
    if (other_schema)
        ++config.schema;
    else
        ++config.program_hash;
    set_pinned_config(config);
    if (!alike) {
        // Pins a map with another value type under the name of the baselines.
        const std::string name = pin_dir() + "/baselines";
        const int services = bpf_obj_get((pin_dir() + "/services").c_str());
        REQUIRE(unlink(name.c_str()) == 0);
        REQUIRE(bpf_obj_pin(services, name.c_str()) == 0);
        close(services);
    }
    auto next = std::make_unique<Detector>();
    REQUIRE_FALSE(next->join(persisted_options()));
    CHECK(contains(next->notes().at(0), "is of another version of jsguard: it is replaced"));
    if (alike) {
        start(*next, persisted_options());
        CHECK(next->reader().learned_baselines().at(port).transitions ==
              usual_baseline().transitions);
        CHECK(pinned_config().schema == JSG_SCHEMA);
        CHECK(pinned_config().instance != config.instance);
    } else {
        CHECK(contains(
            refusal_of([&] { start(*next, persisted_options()); }, jsguard::ExitCode::runtime),
            "it is left as it is"));
        next.reset();
        CHECK(keeps_ticking());
        CHECK(pinned_config().instance == config.instance);
    }
}

TEST_CASE("a detector that no longer ticks is replaced", "[persistence][slow]") {
    const PinCleanup cleanup;
    {
        Detector first;
        start(first, persisted_options());
    }
    // Without the map of its timer, the detector stops ticking. After a while, loaders notice that.
    // Another map is pinned under the name of this map.
    const std::string clocks = pin_dir() + "/persist/clocks";
    REQUIRE(unlink(clocks.c_str()) == 0);
    const int other = bpf_obj_get((pin_dir() + "/persist/last_samples").c_str());
    REQUIRE(bpf_obj_pin(other, clocks.c_str()) == 0);
    close(other);
    CHECK(wait_until(5, [&] {
        const auto before = pinned_ticks();
        pause_ms(200);
        return pinned_ticks() == before;
    }));
    pause_ms(static_cast<int>(jsguard::silent_too_long_ns(pinned_config()) / 1'000'000) + 500);
    std::string note;
    {
        Detector next;
        REQUIRE_FALSE(next.join(persisted_options()));
        note = next.notes().at(0);
    }
    CHECK(contains(note, "has stopped ticking: it is replaced"));
    Detector next;
    REQUIRE_FALSE(next.join(persisted_options()));
    start(next, persisted_options());
    CHECK(keeps_ticking());
}

TEST_CASE("a persisted detector that lacks a pin is replaced and can be removed",
          "[persistence][slow]") {
    const PinCleanup cleanup;
    const auto damaged =
        GENERATE(as<std::string>{}, "config", "services", "baselines", "ticks", "persist/alerts",
                 "persist/bss", "persist/clocks", "persist/link", "persist/program",
                 "persist/destroy_link", "persist/destroy_program");
    CAPTURE(damaged);
    {
        Detector first;
        start(first, persisted_options());
    }
    REQUIRE(unlink((pin_dir() + "/" + damaged).c_str()) == 0);
    SECTION("replaced") {
        Detector next;
        REQUIRE_FALSE(next.join(persisted_options()));
        CHECK(contains(next.notes().at(0), "it is replaced"));
        start(next, persisted_options());
        CHECK(keeps_ticking());
    }
    SECTION("removed") {
        {
            jsguard::Pins pins(pin_dir());
            const auto left = jsguard::Persisted::find(pins);
            REQUIRE(left);
            left->end({});
        }
        CHECK_FALSE(fs::exists(pin_dir()));
    }
}

TEST_CASE("a detector whose alerts cannot be delivered is not replaced", "[persistence]") {
    const PinCleanup cleanup;
    const Socket listener = listen_on(port);
    {
        Detector first;
        start(first, persisted_options(), {{port, usual_baseline()}});
        const auto stalled = connect_clients(listener, port, 60);
        CHECK(wait_until(15, [&] {
            return first.reader().service(1).alerts[JSG_OCCUPANCY].state == JSG_ALERT;
        }));
    }
    const Programs programs = pinned_programs();
    {
        Detector next;
        REQUIRE_FALSE(next.join(persisted_options({port, other_port})));
        CHECK_THROWS_AS(start(next, persisted_options({port, other_port}), {},
                              [](const jsg_alert&, std::uint64_t) {
                                  throw jsguard::Error(jsguard::ExitCode::runtime,
                                                       "stdout is full");
                              }),
                        jsguard::Error);
    }
    CHECK(keeps_ticking());
    CHECK(pinned_programs() == programs);
    Detector next;
    REQUIRE(next.join(persisted_options(), {{port, usual_baseline()}}));
    int raises = 0;
    next.poll(0, [&](const jsg_alert& alert) { raises += alert.event == JSG_RAISE; });
    CHECK(raises >= 1);
}

TEST_CASE("pins that are not jsguard's are left alone", "[persistence]") {
    const PinCleanup cleanup;
    const std::string inner = pin_dir() + "/inner", others = inner + "/others";
    const int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "others", 4, 4, 1, nullptr);
    REQUIRE(map >= 0);
    REQUIRE(mkdir(pin_dir().c_str(), 0700) == 0);
    REQUIRE(mkdir(inner.c_str(), 0700) == 0);
    REQUIRE(bpf_obj_pin(map, others.c_str()) == 0);
    close(map);
    CHECK(contains(refusal_of([] { jsguard::Pins pins(pin_dir()); }, jsguard::ExitCode::runtime),
                   "holds pins that are not jsguard's"));
    CHECK(fs::exists(others));
    // Such pins also remain in the directory of a detector that ends.
    REQUIRE(rename(inner.c_str(), (pin_dir() + "-inner").c_str()) == 0);
    {
        Detector first;
        start(first, persisted_options());
        REQUIRE(rename((pin_dir() + "-inner").c_str(), inner.c_str()) == 0);
        first.unpersist();
    }
    CHECK(fs::exists(others));
    CHECK_FALSE(fs::exists(pin_dir() + "/config"));
    unlink(others.c_str());
    rmdir(inner.c_str());
    rmdir(pin_dir().c_str());
    CHECK(
        contains(refusal_of([] { jsguard::Pins pins("/sys/fs/bpf"); }, jsguard::ExitCode::runtime),
                 "is the root of a BPF file system"));
}

TEST_CASE("with --keep-baseline, a learned baseline replaces the one of the file",
          "[persistence]") {
    const PinCleanup cleanup;
    jsg_baseline learned = usual_baseline(), in_file = usual_baseline();
    learned.learned_s = 17;
    {
        Detector first;
        start(first, persisted_options(), {{port, learned}});
    }
    const bool kept = GENERATE(true, false);
    CAPTURE(kept);
    jsguard::Options options = persisted_options({port, other_port});
    if (kept) options.kept_baseline_file = "kept.json";
    Detector next;
    REQUIRE_FALSE(next.join(options, {{port, in_file}}));
    start(next, options, {{port, in_file}});
    CHECK(next.reader().learned_baselines().at(port).learned_s == (kept ? 17 : in_file.learned_s));
}

TEST_CASE("a removed detector leaves nothing in the kernel", "[persistence]") {
    const PinCleanup cleanup;
    {
        Detector first;
        start(first, persisted_options());
    }
    const Programs programs = pinned_programs();
    {
        jsguard::Pins pins(pin_dir());
        const auto left = jsguard::Persisted::find(pins);
        REQUIRE(left);
        CHECK(left->end({}) == 0);
    }
    CHECK_FALSE(fs::exists(pin_dir()));
    CHECK(are_unloaded(programs));
}

TEST_CASE("a detector that is joined without --persist ends with its loader", "[persistence]") {
    const PinCleanup cleanup;
    {
        Detector first;
        start(first, persisted_options());
    }
    const Programs programs = pinned_programs();
    {
        Detector next;
        REQUIRE(next.join(persisted_options()));
        next.unpersist();
        CHECK_FALSE(fs::exists(pin_dir() + "/persist"));
        CHECK(keeps_ticking());
    }
    CHECK_FALSE(fs::exists(pin_dir()));
    CHECK(are_unloaded(programs));
}
