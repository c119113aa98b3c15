// SPDX-License-Identifier: BSD-2-Clause
// The detector in the kernel, seen from user space: load, attach, adopt, arm, poll.
#include "detector.hpp"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "clocks.hpp"
#include "error.hpp"
#include "kernel_needs.hpp"
#include "skeleton.hpp"

namespace jsguard {
namespace {

// libbpf's warnings, of which the last tells best what went wrong.
std::string last_warning;

int keep_warning(libbpf_print_level level, const char* format, va_list arguments) {
    if (level == LIBBPF_WARN) {
        char line[512];
        vsnprintf(line, sizeof(line), format, arguments);
        last_warning = printable(line);
    }
    return 0;
}

[[noreturn]] void fail(int error, std::string_view tried) {
    if (error < 0) error = -error;
    if (error == EPERM || error == EACCES)
        throw errno_error(ExitCode::not_permitted, error, tried,
                          "run it as root, outside a container that forbids BPF");
    throw errno_error(ExitCode::runtime, error, tried, last_warning);
}

// Whether this process may load tracing programs (CAP_BPF with CAP_PERFMON, or CAP_SYS_ADMIN).
bool may_load() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
    if (syscall(SYS_capget, &header, data) != 0) return false;
    const auto has = [&](unsigned capability) {
        return (data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
    };
    return has(CAP_SYS_ADMIN) || (has(CAP_BPF) && has(CAP_PERFMON));
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

int deliver(void* context, void* data, size_t size) {
    if (size >= sizeof(jsg_alert))
        (*static_cast<const Detector::AlertHandler*>(context))(
            *static_cast<const jsg_alert*>(data));
    return 0;
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
void Detector::RingDeleter::operator()(ring_buffer* ring) const { ring_buffer__free(ring); }

Detector::Detector() = default;
Detector::~Detector() = default;

void Detector::load(const Options& options, const Baselines& baselines) {
    libbpf_set_print(keep_warning);
    if (!may_load())
        throw Error(ExitCode::not_permitted,
                    "loading BPF programs is not permitted; run it as root: sudo jsguard-load ...");
    const bool casts = check_kernel();
    skeleton_.reset(jsguard_bpf__open());
    if (!skeleton_) fail(errno, "cannot open the BPF object");
    jsg_config config = make_config(options);
    config.cpus = libbpf_num_possible_cpus();
    config.has_rdonly_cast = casts;
    if (options.netns) {
        netns_ = std::make_unique<NetworkNamespace>(NetworkNamespace::open(*options.netns));
        config.netns = netns_->inode();
    }
    skeleton_->rodata->jsg_config = config;
    bpf_map__set_max_entries(skeleton_->maps.readings,
                             JSG_SERVICE_PLACES * config.readings_per_service);
    if (const int error = jsguard_bpf__load(skeleton_.get()); error)
        fail(error, "cannot load the BPF programs");

    set_value(skeleton_->maps.config, 0, config);
    pin_dir_ = options.pin_dir;
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

void Detector::pin() {
    pins_ = std::make_unique<Pins>(pin_dir_);
    const auto& maps = skeleton_->maps;
    for (bpf_map* map : {maps.config, maps.windows, maps.services, maps.baselines, maps.lessons,
                         maps.stats, maps.ticks, maps.readings, maps.counters, maps.requests})
        pins_->pin(map);
}

void Detector::attach() {
    set_real_time();
    skeleton_->bss->jsg_now_ms = static_cast<std::uint32_t>(clock_ns(CLOCK_MONOTONIC) / 1'000'000);
    ring_.reset(ring_buffer__new(bpf_map__fd(skeleton_->maps.alerts), deliver, &handler_, nullptr));
    if (!ring_) fail(errno, "cannot open the ring buffer");
    skeleton_->links.jsg_transition = bpf_program__attach(skeleton_->progs.jsg_transition);
    if (!skeleton_->links.jsg_transition)
        fail(errno, "cannot attach to the tracepoint inet_sock_set_state");
}

void Detector::run_iterator() {
    const std::unique_ptr<bpf_link, decltype(&bpf_link__destroy)> link(
        bpf_program__attach_iter(skeleton_->progs.jsg_existing, nullptr), bpf_link__destroy);
    if (!link) fail(errno, "cannot pass over the sockets that are open");
    const int fd = bpf_iter_create(bpf_link__fd(link.get()));
    if (fd < 0) fail(errno, "cannot pass over the sockets that are open");
    char buffer[256];
    while (read(fd, buffer, sizeof(buffer)) > 0 || errno == EAGAIN) errno = 0;
    close(fd);
}

void Detector::adopt_listeners_and_sockets() {
    skeleton_->bss->jsg_adopt_listeners = 1;
    run_iterator();
    skeleton_->bss->jsg_adopt_listeners = 0;
}

void Detector::adopt_sockets() {
    if (netns_) return netns_->run_inside([this] { adopt_listeners_and_sockets(); });
    adopt_listeners_and_sockets();
    namespaces_left_out_ = NetworkNamespace::run_inside_others([this] { run_iterator(); });
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

void Detector::poll(int timeout_ms, const AlertHandler& handler) {
    set_real_time();
    handler_ = handler;
    const int result = ring_buffer__poll(ring_.get(), timeout_ms);
    if (result < 0 && result != -EINTR) fail(result, "cannot read the ring buffer");
}

std::string Detector::describe() const {
    const jsg_config& config = skeleton_->rodata->jsg_config;
    std::size_t bytes = 0;
    bpf_map* map;
    bpf_object__for_each_map(map, skeleton_->obj) {
        const auto type = bpf_map__type(map);
        const bool per_cpu = type == BPF_MAP_TYPE_PERCPU_ARRAY;
        const bool grows = type == BPF_MAP_TYPE_HASH;  // allocated as records come
        if (!grows && type != BPF_MAP_TYPE_RINGBUF)
            bytes += std::size_t{bpf_map__value_size(map)} * bpf_map__max_entries(map) *
                     (per_cpu ? config.cpus : 1);
    }
    return fmt::format(
        "maps are pinned in {}; {:.1f} MiB of them are fixed; {} possible CPUs; sockets "
        "are read by {}",
        pin_dir_, static_cast<double>(bytes) / (1024 * 1024), config.cpus,
        config.has_rdonly_cast ? "bpf_rdonly_cast" : "bpf_probe_read_kernel");
}

jsg_stats Detector::stats() const { return value_of<jsg_stats>(skeleton_->maps.stats, 0); }

std::uint64_t Detector::missed_transitions() const {
    bpf_prog_info info{};
    std::uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(bpf_program__fd(skeleton_->progs.jsg_transition), &info, &size) != 0)
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
    Baselines learned;
    const auto all = services();
    for (std::uint32_t place = 1; place <= JSG_SERVICES; ++place) {
        const jsg_service& service = all[place - 1];
        if (service.port && service.mode == JSG_GUARDING)
            learned[static_cast<std::uint16_t>(service.port)] = baseline(place);
    }
    return learned;
}

}  // namespace jsguard
