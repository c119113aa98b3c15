// SPDX-License-Identifier: BSD-2-Clause
// A detector that stays without its loader: joined, replaced, refused, taken out.
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "../catch_compat.hpp"
#include "counted.hpp"
#include "error.hpp"
#include "observation.hpp"
#include "persisted.hpp"
#include "skeleton.hpp"
#include "type_layout.hpp"
#include "usual.hpp"
#include "watched.hpp"

using namespace testbed;
using jsguard::Detector;
namespace fs = std::filesystem;

namespace {

constexpr std::uint16_t port = 17701;
constexpr std::uint16_t other_port = 17702;

std::string pin_dir() { return fmt::format("/sys/fs/bpf/jsguard-persistence-{}", getpid()); }

jsguard::Options lasting_options(std::vector<std::uint16_t> ports = {port}) {
    jsguard::Options options = quick_options(std::move(ports));
    options.pin_dir = pin_dir();
    options.persist = true;
    return options;
}

// As jsguard-load --persist does it.
void start(Detector& detector, const jsguard::Options& options,
           const jsguard::Baselines& baselines = {}, const Detector::LeftOver& left_over = {}) {
    detector.load(options, baselines);
    detector.attach();
    detector.adopt_sockets();
    detector.arm_clock();
    detector.pin(left_over);
    detector.persist();
}

// Takes out what a test has left, however it ended.
struct TakenOut {
    TakenOut() {
        enter_namespace();
        remove();
    }
    ~TakenOut() { remove(); }
    static void remove() {
        std::error_code ignored;
        if (fs::exists(pin_dir(), ignored)) jsguard::Pins(pin_dir()).remove_all();
    }
};

// The number of the program that counts transitions.
std::uint32_t pinned_program() {
    const int program = bpf_obj_get((pin_dir() + "/persist/program").c_str());
    REQUIRE(program >= 0);
    bpf_prog_info info{};
    std::uint32_t size = sizeof(info);
    CHECK(bpf_obj_get_info_by_fd(program, &info, &size) == 0);
    close(program);
    return info.id;
}

// Some go only after a moment.
bool goes(std::uint32_t program) {
    return wait_until(5, [&] {
        const int fd = bpf_prog_get_fd_by_id(program);
        if (fd >= 0) close(fd);
        return fd < 0 && errno == ENOENT;
    });
}

std::uint64_t pinned_ticks() {
    const int map = bpf_obj_get((pin_dir() + "/ticks").c_str());
    REQUIRE(map >= 0);
    const std::uint32_t zero = 0;
    jsg_ticks ticks{};
    CHECK(bpf_map_lookup_elem(map, &zero, &ticks) == 0);
    close(map);
    return ticks.count;
}

bool ticks_on() {
    const std::uint64_t before = pinned_ticks();
    return wait_until(5, [&] { return pinned_ticks() > before; });
}

jsg_config pinned_config() {
    const int map = bpf_obj_get((pin_dir() + "/config").c_str());
    REQUIRE(map >= 0);
    const std::uint32_t zero = 0;
    jsg_config config{};
    CHECK(bpf_map_lookup_elem(map, &zero, &config) == 0);
    close(map);
    return config;
}

void set_pinned_config(const jsg_config& config) {
    const int map = bpf_obj_get((pin_dir() + "/config").c_str());
    REQUIRE(map >= 0);
    const std::uint32_t zero = 0;
    CHECK(bpf_map_update_elem(map, &zero, &config, BPF_ANY) == 0);
    close(map);
}

mode_t rights_of(const std::string& path) {
    struct stat info {};
    CAPTURE(path);
    REQUIRE(stat(path.c_str(), &info) == 0);
    return info.st_mode & 07777;
}

std::string refusal_of(const std::function<void()>& action, jsguard::ExitCode code) {
    try {
        action();
    } catch (const jsguard::Error& error) {
        CHECK(error.code() == code);
        return error.what();
    }
    return "nothing was refused";
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a detector that stays counts without its loader, and the next one goes on with it",
          "[persistence]") {
    const TakenOut clean;
    const Socket listener = listen_on(port);
    std::uint64_t instance = 0, sequence = 0;
    {
        Detector first;
        start(first, lasting_options());
        reset_clients(listener, port, 30);
        instance = first.instance();
        sequence = first.services().at(0).sequence;
    }
    reset_clients(listener, port, 50);  // nobody watches
    CHECK(ticks_on());
    pause_ms(2500);

    Detector next;
    REQUIRE(next.join(lasting_options()));
    CHECK(contains(next.notes().at(0), "goes on with the detector in"));
    CHECK(next.instance() == instance);
    CHECK(next.services().at(0).port == port);
    CHECK(next.services().at(0).sequence >= sequence + 2);
    reset_clients(listener, port, 20);
    const auto counts = counted(next, 1);
    CHECK(counts.at({JSG_TCP_LISTEN, JSG_TCP_SYN_RECV}) == 100);
    CHECK(counts.at({JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED}) == 100);
    CHECK(next.is_ticking());
    // One record a step, whoever watched.
    const auto last = next.services().at(0).sequence;
    for (std::uint64_t one = 2; one < last; ++one) {
        CAPTURE(one);
        const auto record = window(next, 1, one), before = window(next, 1, one - 1);
        REQUIRE(record);
        REQUIRE(before);
        CHECK(record->end_ns - before->end_ns < 2'000'000'000);
    }
}

TEST_CASE("alerts that nobody read are kept, and delivered once and in order", "[persistence]") {
    const TakenOut clean;
    const Socket listener = listen_on(port);
    const jsguard::Baselines given = {{port, usual_baseline()}};
    std::uint64_t instance = 0;
    {
        Detector first;
        start(first, lasting_options(), given);
        instance = first.instance();
    }
    const int map = bpf_obj_get((pin_dir() + "/services").c_str());
    REQUIRE(map >= 0);
    const auto state = [&] {
        const std::uint32_t place = 1;
        jsg_service service{};
        CHECK(bpf_map_lookup_elem(map, &place, &service) == 0);
        return service.alerts[JSG_OCCUPANCY].state;
    };
    for (int i = 0; i < 2; ++i) {
        {
            const auto held = hold(listener, port, 60);
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
        REQUIRE(second.join(lasting_options(), given));
        CHECK(second.instance() == instance);
        second.poll(0, keep, 1);  // a loader that ends at the first alert leaves the others
        CHECK(alerts.size() <= 1);
        second.persist();
    }
    {
        Detector third;
        REQUIRE(third.join(lasting_options(), given));
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
    REQUIRE(fourth.join(lasting_options(), given));
    fourth.poll(0, keep);
    CHECK(alerts.size() == 4);
}

TEST_CASE("a detector with another request is replaced, with what it has learned and kept",
          "[persistence]") {
    const TakenOut clean;
    const Socket listener = listen_on(port);
    std::uint64_t instance = 0;
    {
        Detector first;
        start(first, lasting_options(), {{port, usual_baseline()}});
        instance = first.instance();
        const auto held = hold(listener, port, 60);
        CHECK(wait_until(
            15, [&] { return first.services().at(0).alerts[JSG_OCCUPANCY].state == JSG_ALERT; }));
    }
    const std::uint32_t program = pinned_program();
    jsguard::Options options = lasting_options({port, other_port});
    Detector next;
    REQUIRE_FALSE(next.join(options));
    REQUIRE(next.notes().size() == 1);
    CHECK(contains(next.notes().front(), "was started with other options: it is replaced"));
    std::vector<std::uint64_t> left_over;
    start(next, options, {}, [&](const jsg_alert& alert, std::uint64_t whose) {
        if (alert.signal == JSG_OCCUPANCY && alert.event == JSG_RAISE) left_over.push_back(whose);
    });
    CHECK(left_over == std::vector{instance});
    CHECK(next.instance() != instance);
    REQUIRE(next.baselines().count(port) == 1);
    CHECK(next.baselines().at(port).transitions == usual_baseline().transitions);
    CHECK(next.baselines().count(other_port) == 0);
    CHECK(goes(program));
    CHECK(pinned_program() != program);
}

TEST_CASE("one loader at a time, and the second disturbs nothing", "[persistence]") {
    const TakenOut clean;
    Detector first;
    start(first, lasting_options());
    const auto refused = [&](const std::function<void(Detector&)>& attempt) {
        Detector second;
        return refusal_of([&] { attempt(second); }, jsguard::ExitCode::runtime);
    };
    CHECK(
        contains(refused([](Detector& d) { d.join(lasting_options()); }), "another jsguard-load"));
    CHECK(contains(refused([](Detector& d) { d.load(lasting_options({other_port}), {}); }),
                   "another jsguard-load"));
    CHECK(contains(refusal_of([] { jsguard::Pins pins(pin_dir()); }, jsguard::ExitCode::runtime),
                   "another jsguard-load"));
    CHECK(ticks_on());
    CHECK(first.services().at(0).port == port);
}

TEST_CASE("another version is replaced with its baselines if they are laid out alike, else left",
          "[persistence]") {
    const TakenOut clean;
    {
        Detector first;
        start(first, lasting_options(), {{port, usual_baseline()}});
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
        // What is pinned under the name has other types.
        const std::string name = pin_dir() + "/baselines";
        const int services = bpf_obj_get((pin_dir() + "/services").c_str());
        REQUIRE(unlink(name.c_str()) == 0);
        REQUIRE(bpf_obj_pin(services, name.c_str()) == 0);
        close(services);
    }
    auto next = std::make_unique<Detector>();
    REQUIRE_FALSE(next->join(lasting_options()));
    CHECK(contains(next->notes().at(0), "is of another version of jsguard: it is replaced"));
    if (alike) {
        start(*next, lasting_options());
        CHECK(next->baselines().at(port).transitions == usual_baseline().transitions);
        CHECK(pinned_config().schema == JSG_SCHEMA);
        CHECK(pinned_config().instance != config.instance);
    } else {
        CHECK(contains(
            refusal_of([&] { start(*next, lasting_options()); }, jsguard::ExitCode::runtime),
            "it is left as it is"));
        next.reset();
        CHECK(ticks_on());
        CHECK(pinned_config().instance == config.instance);
    }
}

TEST_CASE("a detector that no longer ticks is replaced", "[persistence]") {
    const TakenOut clean;
    {
        Detector first;
        start(first, lasting_options());
    }
    // Without its timer's map it stands still, which shows after a while; another map is in its
    // place.
    const std::string clocks = pin_dir() + "/persist/clocks";
    REQUIRE(unlink(clocks.c_str()) == 0);
    const int other = bpf_obj_get((pin_dir() + "/persist/looks").c_str());
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
        REQUIRE_FALSE(next.join(lasting_options()));
        note = next.notes().at(0);
    }
    CHECK(contains(note, "has stopped ticking: it is replaced"));
    Detector next;
    REQUIRE_FALSE(next.join(lasting_options()));
    start(next, lasting_options());
    CHECK(ticks_on());
}

TEST_CASE("a detector that stays, and lacks a pin, is replaced and can be taken out",
          "[persistence]") {
    const TakenOut clean;
    const auto damaged =
        GENERATE(as<std::string>{}, "config", "services", "baselines", "ticks", "persist/alerts",
                 "persist/bss", "persist/clocks", "persist/link", "persist/program");
    CAPTURE(damaged);
    {
        Detector first;
        start(first, lasting_options());
    }
    REQUIRE(unlink((pin_dir() + "/" + damaged).c_str()) == 0);
    SECTION("replaced") {
        Detector next;
        REQUIRE_FALSE(next.join(lasting_options()));
        CHECK(contains(next.notes().at(0), "it is replaced"));
        start(next, lasting_options());
        CHECK(ticks_on());
    }
    SECTION("taken out") {
        {
            jsguard::Pins pins(pin_dir());
            const auto left = jsguard::Persisted::find(pins);
            REQUIRE(left);
            left->end({});
        }
        CHECK_FALSE(fs::exists(pin_dir()));
    }
}

TEST_CASE("what cannot be handed on keeps the detector that has it", "[persistence]") {
    const TakenOut clean;
    const Socket listener = listen_on(port);
    {
        Detector first;
        start(first, lasting_options(), {{port, usual_baseline()}});
        const auto held = hold(listener, port, 60);
        CHECK(wait_until(
            15, [&] { return first.services().at(0).alerts[JSG_OCCUPANCY].state == JSG_ALERT; }));
    }
    const std::uint32_t program = pinned_program();
    {
        Detector next;
        REQUIRE_FALSE(next.join(lasting_options({port, other_port})));
        CHECK_THROWS_AS(start(next, lasting_options({port, other_port}), {},
                              [](const jsg_alert&, std::uint64_t) {
                                  throw jsguard::Error(jsguard::ExitCode::runtime,
                                                       "stdout is full");
                              }),
                        jsguard::Error);
    }
    CHECK(ticks_on());
    CHECK(pinned_program() == program);
    Detector next;
    REQUIRE(next.join(lasting_options(), {{port, usual_baseline()}}));
    int raises = 0;
    next.poll(0, [&](const jsg_alert& alert) { raises += alert.event == JSG_RAISE; });
    CHECK(raises >= 1);
}

TEST_CASE("what is not jsguard's is left alone", "[persistence]") {
    const TakenOut clean;
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
    // In the folder of a detector that goes.
    REQUIRE(rename(inner.c_str(), (pin_dir() + "-inner").c_str()) == 0);
    {
        Detector first;
        start(first, lasting_options());
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
                 "is a whole BPF file system"));
}

TEST_CASE("a baseline that is kept is older than what the detector has learned since",
          "[persistence]") {
    const TakenOut clean;
    jsg_baseline learned = usual_baseline(), in_file = usual_baseline();
    learned.learned_s = 17;
    {
        Detector first;
        start(first, lasting_options(), {{port, learned}});
    }
    const bool kept = GENERATE(true, false);
    CAPTURE(kept);
    jsguard::Options options = lasting_options({port, other_port});
    options.keep_baseline = kept;
    Detector next;
    REQUIRE_FALSE(next.join(options, {{port, in_file}}));
    start(next, options, {{port, in_file}});
    CHECK(next.baselines().at(port).learned_s == (kept ? 17 : in_file.learned_s));
}

TEST_CASE("taken out, it leaves nothing in the kernel", "[persistence]") {
    const TakenOut clean;
    {
        Detector first;
        start(first, lasting_options());
    }
    const std::uint32_t program = pinned_program();
    {
        jsguard::Pins pins(pin_dir());
        const auto left = jsguard::Persisted::find(pins);
        REQUIRE(left);
        CHECK(left->end({}) == 0);
    }
    CHECK_FALSE(fs::exists(pin_dir()));
    CHECK(goes(program));
}

TEST_CASE("joined without --persist, it goes with its loader", "[persistence]") {
    const TakenOut clean;
    {
        Detector first;
        start(first, lasting_options());
    }
    const std::uint32_t program = pinned_program();
    {
        Detector next;
        REQUIRE(next.join(lasting_options()));
        next.unpersist();
        CHECK_FALSE(fs::exists(pin_dir() + "/persist"));
        CHECK(ticks_on());
    }
    CHECK_FALSE(fs::exists(pin_dir()));
    CHECK(goes(program));
}

TEST_CASE("pins are their owner's, and a group may read what readers need", "[persistence]") {
    const TakenOut clean;
    jsguard::Options options = lasting_options();
    mode_t folder = 0700, map = 0600;
    SECTION("nobody else") {}
    SECTION("a group") {
        options.pin_group = "daemon";
        folder = 0710;
        map = 0640;
    }
    Detector detector;
    start(detector, options);
    CHECK(rights_of(pin_dir()) == folder);
    for (const auto& entry : fs::directory_iterator(pin_dir())) {
        if (!entry.is_directory()) CHECK(rights_of(entry.path()) == map);
    }
    CHECK(rights_of(pin_dir() + "/persist") == 0700);
    for (const auto& entry : fs::directory_iterator(pin_dir() + "/persist"))
        CHECK(rights_of(entry.path()) == 0600);
}

TEST_CASE("who may read the pins can neither list nor lock their folder", "[persistence]") {
    const TakenOut clean;
    const jsguard::Pins pins(pin_dir(), "daemon");
    constexpr uid_t somebody = 65534;
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const gid_t group = getgrnam("daemon")->gr_gid;
        if (setgroups(0, nullptr) != 0 || setresgid(group, group, group) != 0 ||
            setresuid(somebody, somebody, somebody) != 0)
            _exit(2);
        const bool enters = access((pin_dir() + "/nothing").c_str(), F_OK) != 0 && errno == ENOENT;
        const bool opens = open(pin_dir().c_str(), O_RDONLY | O_DIRECTORY) >= 0;
        _exit(enters && !opens ? 0 : 1);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("a pin folder that another user has made is refused", "[persistence]") {
    const TakenOut clean;
    REQUIRE(mkdir(pin_dir().c_str(), 0700) == 0);
    REQUIRE(chown(pin_dir().c_str(), 65534, 65534) == 0);
    CHECK(contains(refusal_of([] { jsguard::Pins pins(pin_dir()); }, jsguard::ExitCode::runtime),
                   "belongs to another user"));
    CHECK(rmdir(pin_dir().c_str()) == 0);
}

TEST_CASE("a group that is not there is a mistake of the user", "[persistence]") {
    const TakenOut clean;
    CHECK(contains(refusal_of([] { jsguard::Pins pins(pin_dir(), "no-such-group"); },
                              jsguard::ExitCode::usage),
                   "there is no such group"));
    CHECK_FALSE(fs::exists(pin_dir()));
}

namespace {

using Types = std::unique_ptr<btf, decltype(&btf__free)>;

// struct s { unsigned a; unsigned b[LENGTH]; }, with those names; its number is 3.
Types made_types(const char* second, std::uint32_t length, std::uint32_t offset_bits = 32) {
    Types types(btf__new_empty(), btf__free);
    REQUIRE(btf__add_int(types.get(), "unsigned int", 4, 0) == 1);
    REQUIRE(btf__add_array(types.get(), 1, 1, length) == 2);
    REQUIRE(btf__add_struct(types.get(), "s", 4 + 4 * length) == 3);
    REQUIRE(btf__add_field(types.get(), "a", 1, 0, 0) == 0);
    REQUIRE(btf__add_field(types.get(), second, 2, offset_bits, 0) == 0);
    return types;
}

}  // namespace

TEST_CASE("a layout is the same if sizes, places and names are", "[persistence]") {
    const Types one = made_types("b", 8);
    CHECK(jsguard::same_layout(one.get(), 3, made_types("b", 8).get(), 3));
    CHECK_FALSE(jsguard::same_layout(one.get(), 3, made_types("c", 8).get(), 3));
    CHECK_FALSE(jsguard::same_layout(one.get(), 3, made_types("b", 9).get(), 3));
    CHECK_FALSE(jsguard::same_layout(one.get(), 3, made_types("b", 8, 64).get(), 3));
    CHECK_FALSE(jsguard::same_layout(one.get(), 3, one.get(), 2));
    CHECK_FALSE(jsguard::same_layout(one.get(), 3, one.get(), 99));
}
