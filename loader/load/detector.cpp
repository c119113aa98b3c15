// SPDX-License-Identifier: BSD-2-Clause
// Loads the detector into the kernel, or joins a persisted one. MapReader reads its maps.
#include "load/detector.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include "common/clocks.hpp"
#include "common/error.hpp"
#include "common/quantity_text.hpp"
#include "load/adoption.hpp"
#include "load/kernel_needs.hpp"
#include "load/libbpf_log.hpp"
#include "load/privilege.hpp"
#include "load/request.hpp"
#include "load/service_entries.hpp"
#include "load/skeleton.hpp"

namespace jsguard {
namespace {

// Throws Error(unsupported) if the kernel lacks something. Returns whether it has bpf_rdonly_cast.
// Frees the kernel's BTF, which takes megabytes, before libbpf reads it again.
bool check_kernel() {
    const auto kernel = kernel_btf();
    if (const auto missing = missing_in_kernel(kernel.get()))
        throw Error(ExitCode::unsupported, "this kernel lacks " + *missing);
    return has_rdonly_cast(kernel.get());
}

bool is_shown(const bpf_map* map) {
    return std::any_of(std::begin(shown::all), std::end(shown::all),
                       [&](const ShownMap& one) { return pin_name(map) == one.name; });
}

}  // namespace

Detector::Detector() = default;
Detector::~Detector() = default;

// Checks the kernel and the privilege before anything is changed, and locks the pin directory.
void Detector::open_pins(const Options& options) {
    if (pins_) return;
    keep_libbpf_log();
    has_rdonly_cast_ = check_kernel();
    if (const std::string missing = missing_to_load(has_rdonly_cast_); !missing.empty())
        throw Error(ExitCode::not_permitted, "loading BPF programs is not permitted without " +
                                                 missing +
                                                 "; run it as root: sudo jsguard-load ...");
    if (!may_read_kernel())
        throw Error(ExitCode::unsupported, fmt::format("this kernel lacks {}", read_need));
    pins_ = std::make_unique<Pins>(options.pin_dir, options.pin_group);
}

jsg_config Detector::wanted_config(const Options& options, const Baselines& given) {
    jsg_config config = make_config(options);
    const int cpus = libbpf_num_possible_cpus();
    if (cpus < 0) throw libbpf_error(-cpus, "cannot find out the number of possible CPUs");
    config.cpus = static_cast<std::uint32_t>(cpus);
    config.has_rdonly_cast = has_rdonly_cast_;
    if (options.netns) {
        netns_ = std::make_unique<NetworkNamespace>(NetworkNamespace::open(*options.netns));
        config.netns = netns_->inode();
    }
    config.options_hash = options_hash(config, options, given);
    config.program_hash = program_hash();
    config.instance = new_instance();
    return config;
}

bool Detector::join(const Options& options, const Baselines& given) {
    open_pins(options);
    earlier_ = Persisted::find(*pins_);
    if (!earlier_) return false;
    const jsg_config wanted = wanted_config(options, given);
    skeleton_ = open_object(wanted);
    std::vector<std::string> needed;
    for (const AtTracepoint& one : at_tracepoint())
        needed.insert(needed.end(), {one.pins.program, one.pins.link});
    for (const bpf_map* map : maps_of(*skeleton_)) needed.push_back(pin_name(map));
    if (const auto obstacle = earlier_->obstacle(wanted, needed); !obstacle.empty()) {
        notes_.push_back(fmt::format("the detector in {} {}: it is replaced",
                                     printable(pins_->dir()), obstacle));
        return false;
    }
    notes_.push_back(fmt::format("continues with the detector in {}{}", printable(pins_->dir()),
                                 options.persist ? "" : ", and takes it out at the end"));
    use_maps_in_kernel();
    hold_joined_programs();
    earlier_.reset();
    std::vector<std::string> readers;
    for (const ShownMap& map : shown::all) readers.emplace_back(map.name);
    pins_->admit_readers(readers);
    ring_ = std::make_unique<AlertRing>(bpf_map__fd(skeleton_->maps.alerts));
    return true;
}

void Detector::use_maps_in_kernel() {
    skeleton_->rodata->jsg_config = earlier_->reader().config();
    for (bpf_map* map : maps_of(*skeleton_)) {
        const FileDescriptor pinned(pins_->open(pin_name(map)));
        if (pinned.get() < 0 || bpf_map__reuse_fd(map, pinned.get()) != 0)
            throw libbpf_error(
                errno, fmt::format("cannot use the map {} in {}", pin_name(map), pins_->dir()));
    }
    bpf_program* program;
    bpf_object__for_each_program(program, skeleton_->obj)
        bpf_program__set_autoload(program, false);  // the joined programs are in the kernel
    if (const int error = jsguard_bpf__load(skeleton_.get()); error)
        throw libbpf_error(error, "cannot use the maps of the detector that is there");
    open_reader();
}

void Detector::hold_joined_programs() {
    for (const AtTracepoint& one : at_tracepoint()) {
        joined_links_.emplace_back(pins_->open(one.pins.link));
        joined_programs_.emplace_back(pins_->open(one.pins.program));
        if (joined_links_.back().get() < 0 || joined_programs_.back().get() < 0)
            throw libbpf_error(errno, fmt::format("cannot open the pins {} and {} in {}",
                                                  one.pins.link, one.pins.program, pins_->dir()));
    }
}

void Detector::load(const Options& options, const Baselines& given) {
    open_pins(options);
    if (!skeleton_)
        skeleton_ = open_object(wanted_config(options, given));  // join() may have opened it
    const jsg_config config = skeleton_->rodata->jsg_config;
    const Baselines baselines = initial_baselines(options, given);
    make_room_for_baselines(*skeleton_, baselines.size());
    if (const int error = jsguard_bpf__load(skeleton_.get()); error)
        throw libbpf_error(error, "cannot load the BPF programs");
    write_map(skeleton_->maps.config, 0, &config);
    take_service_entries(*skeleton_, options, baselines);
    open_reader();
}

// With --keep-baseline a baseline that the earlier detector has learned comes first, because it is
// newer than the file. Otherwise the file comes first, because the user chose it.
Baselines Detector::initial_baselines(const Options& options, const Baselines& given) const {
    if (!earlier_) return given;
    Baselines learned = earlier_->baselines(bpf_object__btf(skeleton_->obj));
    Baselines baselines = given;
    if (options.kept_baseline_file) baselines.swap(learned);
    baselines.merge(learned);
    return baselines;
}

void Detector::open_reader() {
    MapReader::Descriptors descriptors;
    for (const ShownMap& map : shown::all)
        descriptors.emplace(map.name, bpf_object__find_map_fd_by_name(skeleton_->obj, map.name));
    reader_.emplace(std::move(descriptors));
}

void Detector::take_out_earlier(const KeptAlertHandler& handle_kept) {
    const std::string summary = earlier_->summary();
    const std::size_t lost = earlier_->end([&](const jsg_alert& alert) {
        if (handle_kept) handle_kept(alert, earlier_->reader().config().instance);
    });
    if (!summary.empty()) notes_.push_back("it had found: " + summary);
    if (lost)
        notes_.push_back(fmt::format("{} that it had kept cannot be read by this version",
                                     counted(lost, "alert", "alerts")));
    earlier_.reset();
    pins_->admit_readers({});
}

void Detector::pin(const KeptAlertHandler& handle_kept) {
    if (earlier_)
        take_out_earlier(handle_kept);
    else
        pins_->remove_all();  // pins that a killed jsguard-load left
    for (const ShownMap& map : shown::all) pins_->pin(map.name, reader().descriptor(map));
}

void Detector::persist() {
    if (is_joined()) return;  // its pins remain until unpersist()
    Pins::Named all;
    for (const AtTracepoint& one : at_tracepoint()) {
        all.emplace_back(one.pins.program, bpf_program__fd(one.program));
        all.emplace_back(one.pins.link, bpf_link__fd(*one.link));
    }
    for (const bpf_map* map : maps_of(*skeleton_)) {
        if (!is_shown(map)) all.emplace_back(pin_name(map), bpf_map__fd(map));
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
        if (!*one.link) throw libbpf_error(errno, "cannot attach to the kernel's tracepoints");
    }
}

// In the order of attaching. jsg_destroy is first, so that every socket that gets a slot also gives
// it back. jsg_preempted is last, because it must run after jsg_transition.
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

void Detector::adopt_sockets() {
    namespaces_left_out_ = adopt_open_sockets(*skeleton_, netns_.get());
}

// Since 6.18 the kernel allocates a timer without waiting for a lock (kmalloc_nolock()). That may
// fail for a moment, so it is tried again.
void Detector::arm_clock() {
    constexpr int max_tries = 100;
    int error = ENOMEM;
    for (int tries = 0; error == ENOMEM && tries < max_tries; ++tries) {
        if (tries > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        bpf_test_run_opts run{};
        run.sz = sizeof(run);
        const int failed =
            bpf_prog_test_run_opts(bpf_program__fd(skeleton_->progs.jsg_start), &run);
        error = failed ? errno : -static_cast<int>(run.retval);
    }
    if (error) throw libbpf_error(error, "cannot start the kernel's timer");
}

void Detector::set_real_time() {
    skeleton_->bss->jsg_unix_offset_ns =
        static_cast<std::int64_t>(clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC));
}

void Detector::poll(int timeout_ms, const AlertHandler& handler, std::size_t max) {
    set_real_time();
    ring_->poll(timeout_ms, handler, max);
}

OwnDescriptors Detector::descriptors() const {
    OwnDescriptors own;
    for (const FileDescriptor& program : joined_programs_) own.programs.push_back(program.get());
    if (!is_joined()) {
        bpf_program* program;
        bpf_object__for_each_program(program, skeleton_->obj)
            own.programs.push_back(bpf_program__fd(program));
    }
    for (const bpf_map* map : maps_of(*skeleton_)) own.maps.push_back(bpf_map__fd(map));
    return own;
}

std::string Detector::describe() const {
    const jsg_config& config = reader().config();
    return fmt::format(
        "maps are pinned in {}; {:.1f} MiB of them are fixed; {} possible CPUs; sockets "
        "are read by {}",
        pins_->dir(), static_cast<double>(fixed_map_bytes(*skeleton_)) / (1024 * 1024), config.cpus,
        config.has_rdonly_cast ? "bpf_rdonly_cast" : "bpf_probe_read_kernel");
}

}  // namespace jsguard
