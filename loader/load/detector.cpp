// SPDX-License-Identifier: BSD-2-Clause
// The detector in the kernel, seen from user space: load, attach, adopt, arm, poll.
#include "load/detector.hpp"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "common/clocks.hpp"
#include "common/counted.hpp"
#include "common/error.hpp"
#include "load/kernel_needs.hpp"
#include "load/libbpf_log.hpp"
#include "load/load_permission.hpp"
#include "load/request.hpp"
#include "load/skeleton.hpp"
#include "observe/learned.hpp"
#include "observe/observation.hpp"

namespace jsguard {
namespace {

// struct bucket and struct htab_elem of kernel/bpf/hashtab.c; an element has its allocator's node.
constexpr std::size_t hash_bucket_bytes = 16;
constexpr std::size_t hash_element_bytes = 48 + 8;

[[noreturn]] void fail(int error, std::string_view tried) {
    if (error < 0) error = -error;
    // The verifier's refusal is an EACCES too, often.
    if (!verifier_log_end().empty())
        throw Error(
            ExitCode::runtime,
            fmt::format("{}: the kernel's verifier refuses one: {}; see jsguard-load --probe",
                        tried, libbpf_warnings().front()));
    if (is_refusal(error))
        throw errno_error(ExitCode::not_permitted, error, tried,
                          "run it as root, outside a container that forbids BPF");
    throw errno_error(ExitCode::runtime, error, tried, last_libbpf_warning());
}

// Throws Error(unsupported) if the kernel lacks something; whether it has bpf_rdonly_cast. Its
// types take megabytes, so they go before libbpf reads them again for itself.
bool check_kernel() {
    const std::unique_ptr<btf, decltype(&btf__free)> kernel(btf__load_vmlinux_btf(), btf__free);
    if (const auto missing =
            missing_in_kernel(libbpf_get_error(kernel.get()) ? nullptr : kernel.get()))
        throw Error(ExitCode::unsupported, "this kernel lacks " + *missing);
    return has_rdonly_cast(kernel.get());
}

template <typename Value>
Value value_of(const bpf_map* map, std::uint32_t key) {
    Value value{};
    if (bpf_map_lookup_elem(bpf_map__fd(map), &key, &value) != 0)
        fail(errno, fmt::format("cannot read the map {}", bpf_map__name(map)));
    return value;
}

template <typename Value>
void set_value(const bpf_map* map, std::uint32_t key, const Value& value) {
    if (bpf_map_update_elem(bpf_map__fd(map), &key, &value, BPF_ANY) != 0)
        fail(errno, fmt::format("cannot write the map {}", bpf_map__name(map)));
}

}  // namespace

void Detector::SkeletonDeleter::operator()(jsguard_bpf* skeleton) const {
    jsguard_bpf__destroy(skeleton);
}

Detector::Detector() = default;
Detector::~Detector() = default;

// Checks what can be checked before anything is touched, and holds the pin folder.
void Detector::open_pins(const Options& options) {
    if (pins_) return;
    keep_libbpf_log();
    has_rdonly_cast_ = check_kernel();
    if (const std::string missing = missing_to_load(has_rdonly_cast_); !missing.empty())
        throw Error(ExitCode::not_permitted, "loading BPF programs is not permitted without " +
                                                 missing +
                                                 "; run it as root: sudo jsguard-load ...");
    pins_ = std::make_unique<Pins>(options.pin_dir, options.pin_group);
}

jsg_config Detector::wanted_config(const Options& options, const Baselines& given) {
    jsg_config config = make_config(options);
    config.cpus = libbpf_num_possible_cpus();
    config.has_rdonly_cast = has_rdonly_cast_;
    if (options.netns) {
        netns_ = std::make_unique<NetworkNamespace>(NetworkNamespace::open(*options.netns));
        config.netns = netns_->inode();
    }
    config.request_hash = request_hash(config, options, given);
    std::size_t size = 0;
    const void* object = jsguard_bpf__elf_bytes(&size);
    config.program_hash = hash_of({static_cast<const char*>(object), size});
    config.instance = new_instance();
    return config;
}

void Detector::open(const jsg_config& config) {
    skeleton_.reset(jsguard_bpf__open());
    if (!skeleton_) fail(errno, "cannot open the BPF object");
    skeleton_->rodata->jsg_config = config;
    bpf_map__set_max_entries(skeleton_->maps.readings,
                             JSG_SERVICE_PLACES * config.readings_per_service);
}

bool Detector::join(const Options& options, const Baselines& given) {
    open_pins(options);
    earlier_ = Persisted::find(*pins_);
    if (!earlier_) return false;
    const jsg_config wanted = wanted_config(options, given);
    open(wanted);
    std::vector<std::string> needed;
    for (const AtTracepoint& one : at_tracepoint())
        needed.insert(needed.end(), {one.pins.program, one.pins.link});
    for (const bpf_map* map : maps()) needed.push_back(pin_name(map));
    if (const auto obstacle = earlier_->obstacle(wanted, needed); !obstacle.empty()) {
        notes_.push_back(fmt::format("the detector in {} {}: it is replaced",
                                     printable(pins_->dir()), obstacle));
        return false;
    }
    notes_.push_back(fmt::format("goes on with the detector in {}{}", printable(pins_->dir()),
                                 options.persist ? "" : ", and takes it out at the end"));
    skeleton_->rodata->jsg_config = *earlier_->config();
    for (bpf_map* map : maps()) {
        const FileDescriptor pinned(pins_->open(pin_name(map)));
        if (pinned.get() < 0 || bpf_map__reuse_fd(map, pinned.get()) != 0)
            fail(errno, fmt::format("cannot use the map {} in {}", pin_name(map), pins_->dir()));
    }
    bpf_program* program;
    bpf_object__for_each_program(program, skeleton_->obj)
        bpf_program__set_autoload(program, false);  // they are in the kernel
    if (const int error = jsguard_bpf__load(skeleton_.get()); error)
        fail(error, "cannot use the maps of the detector that is there");
    for (const AtTracepoint& one : at_tracepoint()) {
        joined_links_.emplace_back(pins_->open(one.pins.link));
        joined_programs_.emplace_back(pins_->open(one.pins.program));
        if (joined_links_.back().get() < 0 || joined_programs_.back().get() < 0)
            fail(errno, fmt::format("cannot open the pins {} and {} in {}", one.pins.link,
                                    one.pins.program, pins_->dir()));
    }
    earlier_.reset();
    pins_->admit_readers(readers_pins());
    ring_ = std::make_unique<AlertRing>(bpf_map__fd(skeleton_->maps.alerts));
    return true;
}

void Detector::load(const Options& options, const Baselines& given) {
    open_pins(options);
    if (!skeleton_) open(wanted_config(options, given));  // else join() has
    const jsg_config config = skeleton_->rodata->jsg_config;
    if (const int error = jsguard_bpf__load(skeleton_.get()); error)
        fail(error, "cannot load the BPF programs");

    // What it has learned itself since is newer than a file that it keeps; one that the user chose
    // is to be in force.
    Baselines baselines = given;
    if (earlier_) {
        Baselines learned = earlier_->baselines(bpf_object__btf(skeleton_->obj));
        if (options.keep_baseline) baselines.swap(learned);
        baselines.merge(learned);
    }
    set_value(skeleton_->maps.config, 0, config);
    for (const std::uint16_t port : options.excluded_ports)
        skeleton_->bss->jsg_port_claimed[port / 64] |= 1ULL << (port % 64);
    const auto baseline_of = [&](std::uint16_t port) {
        const auto found = baselines.find(port);
        return found == baselines.end() ? nullptr : &found->second;
    };
    for (const std::uint16_t port : options.ports) give_place(port, baseline_of(port));
    if (options.ports.empty()) {
        for (const auto& [port, baseline] : baselines) give_place(port, &baseline);
    }
}

// A port that the user named, by option or by baseline file, keeps its place though nobody listens.
void Detector::give_place(std::uint16_t port, const jsg_baseline* baseline) {
    auto* bss = skeleton_->bss;
    const std::uint64_t bit = 1ULL << (port % 64);
    if (bss->jsg_port_claimed[port / 64] & bit) return;
    if (places_given_ == JSG_SERVICES)
        throw Error(ExitCode::usage,
                    fmt::format("there are places for {} ports; name fewer", JSG_SERVICES));
    const std::uint32_t place = ++places_given_;
    jsg_service service{};
    service.port = port;
    service.stays = 1;
    if (baseline) {
        service.mode = JSG_GUARDING;
        set_value(skeleton_->maps.baselines, place, *baseline);
    }
    set_value(skeleton_->maps.services, place, service);
    bss->jsg_port_claimed[port / 64] |= bit;
    bss->jsg_service_of_port[port] = static_cast<std::uint8_t>(place);
}

// Internal maps have names with a dot, which the BPF file system refuses.
std::string Detector::pin_name(const bpf_map* map) {
    std::string name = bpf_map__name(map);
    name.erase(0, name.find('.') + 1);
    std::replace(name.begin(), name.end(), '.', '_');
    return name;
}

Detector::Maps Detector::maps() const {
    Maps maps;
    bpf_map* map;
    bpf_object__for_each_map(map, skeleton_->obj) maps.push_back(map);
    return maps;
}

// The configuration comes first: the folder is known by it.
Detector::Maps Detector::readers_maps() const {
    const auto& maps = skeleton_->maps;
    return {maps.config, maps.windows, maps.services, maps.baselines, maps.lessons,
            maps.stats,  maps.ticks,   maps.readings, maps.counters,  maps.requests};
}

std::vector<std::string> Detector::readers_pins() const {
    std::vector<std::string> names;
    for (const bpf_map* map : readers_maps()) names.push_back(pin_name(map));
    return names;
}

void Detector::pin(const LeftOver& left_over) {
    if (earlier_) {
        const std::string summary = earlier_->summary();
        const std::size_t lost = earlier_->end([&](const jsg_alert& alert) {
            if (left_over) left_over(alert, earlier_->config()->instance);
        });
        if (!summary.empty()) notes_.push_back("it had come to " + summary);
        if (lost)
            notes_.push_back(fmt::format("{} that it had kept cannot be read by this version",
                                         counted(lost, "alert", "alerts")));
        earlier_.reset();
        pins_->admit_readers({});
    } else {
        pins_->remove_all();  // what a killed one left behind
    }
    for (const bpf_map* map : readers_maps()) pins_->pin(pin_name(map), bpf_map__fd(map));
}

void Detector::persist() {
    if (is_joined()) return;  // its pins stay unless unpersist() says otherwise
    Pins::Named all;
    for (const AtTracepoint& one : at_tracepoint()) {
        all.emplace_back(one.pins.program, bpf_program__fd(one.program));
        all.emplace_back(one.pins.link, bpf_link__fd(*one.link));
    }
    const Maps shown = readers_maps();
    for (bpf_map* map : maps()) {
        if (std::find(shown.begin(), shown.end(), map) == shown.end())
            all.emplace_back(pin_name(map), bpf_map__fd(map));
    }
    pins_->persist(all);
}

void Detector::unpersist() { pins_->unpersist(); }

void Detector::attach() {
    set_real_time();
    skeleton_->bss->jsg_now_ms = static_cast<std::uint32_t>(clock_ns(CLOCK_MONOTONIC) / 1'000'000);
    ring_ = std::make_unique<AlertRing>(bpf_map__fd(skeleton_->maps.alerts));
    for (const AtTracepoint& one : at_tracepoint()) {
        *one.link = bpf_program__attach(one.program);
        if (!*one.link) fail(errno, "cannot attach to the kernel's tracepoints");
    }
}

// In the order of attaching: what is remembered is to be forgotten too, and jsg_preempted is to be
// called after jsg_transition.
std::vector<Detector::AtTracepoint> Detector::at_tracepoint() const {
    const auto& programs = skeleton_->progs;
    auto& links = skeleton_->links;
    std::vector<AtTracepoint> all = {
        {programs.jsg_destroy, &links.jsg_destroy, destroy_pins},
        {programs.jsg_transition, &links.jsg_transition, transition_pins}};
    if (tracepoints_are_preempted(kernel_release()))
        all.push_back({programs.jsg_preempted, &links.jsg_preempted, preempted_pins});
    return all;
}

void Detector::run_iterator() {
    const std::unique_ptr<bpf_link, decltype(&bpf_link__destroy)> link(
        bpf_program__attach_iter(skeleton_->progs.jsg_existing, nullptr), bpf_link__destroy);
    if (!link) fail(errno, "cannot pass over the sockets that are open");
    const int fd = bpf_iter_create(bpf_link__fd(link.get()));
    if (fd < 0) fail(errno, "cannot pass over the sockets that are open");
    const FileDescriptor pass(fd);
    char buffer[256];
    ssize_t got = 0;
    do {
        got = read(fd, buffer, sizeof(buffer));
        if (got < 0 && errno != EAGAIN) fail(errno, "cannot pass over the sockets that are open");
    } while (got != 0);
}

void Detector::adopt_listeners_and_sockets() {
    skeleton_->bss->jsg_adopt_listeners = 1;
    run_iterator();
    skeleton_->bss->jsg_adopt_listeners = 0;
}

void Detector::adopt_sockets() {
    if (netns_) {
        netns_->run_inside([this] { adopt_listeners_and_sockets(); });
    } else {
        adopt_listeners_and_sockets();
        namespaces_left_out_ = NetworkNamespace::run_inside_others([this] { run_iterator(); });
    }
    skeleton_->bss->jsg_all_adopted = namespaces_left_out_ == 0;
}

void Detector::relearn() {
    auto asked = value_of<jsg_requests>(skeleton_->maps.requests, 0);
    ++asked.relearn;
    set_value(skeleton_->maps.requests, 0, asked);
}

void Detector::arm_clock() {
    bpf_test_run_opts run{};
    run.sz = sizeof(run);
    const int error = bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.jsg_start), &run);
    if (error || run.retval)
        fail(error ? errno : -static_cast<int>(run.retval), "cannot start the kernel's timer");
}

void Detector::set_real_time() {
    skeleton_->bss->jsg_unix_offset_ns =
        static_cast<std::int64_t>(clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC));
}

void Detector::poll(int timeout_ms, const AlertHandler& handler, std::size_t most) {
    set_real_time();
    ring_->poll(timeout_ms, handler, most);
}

std::uint64_t Detector::instance() const { return skeleton_->rodata->jsg_config.instance; }

bool Detector::is_ticking() const {
    const auto ticks = value_of<jsg_ticks>(skeleton_->maps.ticks, 0);
    return !is_silent(silence_ns(ticks.last_ns, clock_ns(CLOCK_MONOTONIC)),
                      skeleton_->rodata->jsg_config);
}

int Detector::transition_program() const {
    return is_joined() ? joined_programs_.at(1).get()
                       : bpf_program__fd(skeleton_->progs.jsg_transition);
}

OwnDescriptors Detector::descriptors() const {
    OwnDescriptors own;
    for (const FileDescriptor& program : joined_programs_) own.programs.push_back(program.get());
    if (!is_joined()) {
        bpf_program* program;
        bpf_object__for_each_program(program, skeleton_->obj)
            own.programs.push_back(bpf_program__fd(program));
    }
    for (const bpf_map* map : maps()) own.maps.push_back(bpf_map__fd(map));
    return own;
}

std::size_t Detector::fixed_map_bytes() const {
    std::size_t bytes = 0;
    for (const bpf_map* map : maps()) {
        const std::size_t entries = bpf_map__max_entries(map);
        switch (bpf_map__type(map)) {
            case BPF_MAP_TYPE_RINGBUF:
                bytes += entries;
                break;
            case BPF_MAP_TYPE_HASH:
                bytes += entries * hash_bucket_bytes;
                break;
            case BPF_MAP_TYPE_PERCPU_ARRAY:
                bytes += entries * bpf_map__value_size(map) *
                         static_cast<std::size_t>(libbpf_num_possible_cpus());
                break;
            default:
                bytes += entries * bpf_map__value_size(map);
        }
    }
    return bytes;
}

std::size_t Detector::growing_map_bytes() const {
    const bpf_map* windows = skeleton_->maps.windows;
    return std::size_t{bpf_map__max_entries(windows)} *
           (hash_element_bytes + bpf_map__key_size(windows) + bpf_map__value_size(windows));
}

std::string Detector::describe() const {
    const jsg_config& config = skeleton_->rodata->jsg_config;
    return fmt::format(
        "maps are pinned in {}; {:.1f} MiB of them are fixed; {} possible CPUs; sockets "
        "are read by {}",
        pins_->dir(), static_cast<double>(fixed_map_bytes()) / (1024 * 1024), config.cpus,
        config.has_rdonly_cast ? "bpf_rdonly_cast" : "bpf_probe_read_kernel");
}

jsg_stats Detector::stats() const { return value_of<jsg_stats>(skeleton_->maps.stats, 0); }

std::uint64_t Detector::missed_transitions() const {
    bpf_prog_info info{};
    std::uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(transition_program(), &info, &size) != 0)
        fail(errno, "cannot read the program's statistics");
    return info.recursion_misses;
}

std::vector<jsg_service> Detector::services() const {
    std::vector<jsg_service> services;
    for (std::uint32_t place = 1; place <= JSG_SERVICES; ++place)
        services.push_back(value_of<jsg_service>(skeleton_->maps.services, place));
    return services;
}

jsg_baseline Detector::baseline(std::uint32_t place) const {
    return value_of<jsg_baseline>(skeleton_->maps.baselines, place);
}

jsg_baseline Detector::lesson(std::uint32_t place) const {
    return value_of<jsg_baseline>(skeleton_->maps.lessons, place);
}

std::vector<std::uint16_t> Detector::guarded_ports() const {
    std::set<std::uint16_t> ports;
    for (const jsg_service& service : services()) {
        if (service.port) ports.insert(static_cast<std::uint16_t>(service.port));
    }
    return {ports.begin(), ports.end()};
}

Baselines Detector::baselines() const {
    return learned_baselines(services(), [this](std::uint32_t place) { return baseline(place); });
}

}  // namespace jsguard
