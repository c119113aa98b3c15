// SPDX-License-Identifier: BSD-2-Clause
// A running detector, seen through the maps that it has pinned.
#include "observe/pinned_detector.hpp"

#include <bpf/bpf.h>
#include <unistd.h>

#include <cerrno>

#include "common/bpf_file_system.hpp"
#include "common/error.hpp"
#include "common/folder_lock.hpp"

namespace jsguard {
namespace {

[[noreturn]] void fail(const std::string& tried) {
    const bool refused = is_refusal(errno);
    throw errno_error(refused ? ExitCode::not_permitted : ExitCode::runtime, errno, tried,
                      refused ? "run it as root" : "");
}

Error another_version(const std::string& path) {
    return Error(ExitCode::runtime,
                 fmt::format("{} is not the map that this jsguard knows; use the jsguard that came "
                             "with the jsguard-load that runs there",
                             printable(path)));
}

}  // namespace

PinnedDetector::PinnedDetector(std::string pin_dir) : pin_dir_(std::move(pin_dir)) {
    open_map("config", sizeof(jsg_config));
    config_ = value<jsg_config>("config", 0);
    if (config_.schema != JSG_SCHEMA)
        throw Error(
            ExitCode::runtime,
            fmt::format("the detector in {} has maps of version {}, and this jsguard reads {}; use "
                        "the jsguard that came with its jsguard-load",
                        printable(pin_dir_), config_.schema, JSG_SCHEMA));
    open_map("services", sizeof(jsg_service));
    open_map("baselines", sizeof(jsg_baseline));
    open_map("lessons", sizeof(jsg_baseline));
    open_map("windows", sizeof(jsg_window));
    open_map("readings", sizeof(jsg_reading));
    open_map("stats", sizeof(jsg_stats));
    open_map("ticks", sizeof(jsg_ticks));
}

PinnedDetector::~PinnedDetector() {
    for (const auto& [name, fd] : maps_) close(fd);
}

int PinnedDetector::open_map(const char* name, std::uint32_t value_size, bool to_write) {
    if (const auto known = maps_.find(name); known != maps_.end()) return known->second;
    const std::string path = pin_dir_ + "/" + name;
    struct bpf_obj_get_opts options {};
    options.sz = sizeof(options);
    options.file_flags = to_write ? 0 : BPF_F_RDONLY;
    const int fd = bpf_obj_get_opts(path.c_str(), &options);
    if (fd < 0 && errno == ENOENT && !maps_.empty()) throw another_version(path);
    if (fd < 0 && errno == ENOENT)
        throw Error(ExitCode::runtime,
                    fmt::format("no detector has its maps in {}; start jsguard-load, or name its "
                                "folder with --pin-dir",
                                printable(pin_dir_)));
    if (fd < 0) fail(fmt::format("cannot open the map {}", printable(path)));
    maps_[name] = fd;
    bpf_map_info info{};
    std::uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0)
        fail(fmt::format("cannot look at the map {}", printable(path)));
    if (info.value_size != value_size) throw another_version(path);
    return fd;
}

template <typename Value, typename Key>
std::optional<Value> PinnedDetector::find(const char* name, const Key& key) const {
    Value value{};
    if (bpf_map_lookup_elem(maps_.at(name), &key, &value) == 0) return value;
    if (errno != ENOENT) fail(fmt::format("cannot read the map {}", name));
    return {};
}

template <typename Value>
Value PinnedDetector::value(const char* name, std::uint32_t key) const {
    if (const auto found = find<Value>(name, key)) return *found;
    fail(fmt::format("cannot read the map {}", name));
}

bool PinnedDetector::is_pinned() const { return access((pin_dir_ + "/config").c_str(), F_OK) == 0; }

std::optional<bool> PinnedDetector::is_attended() const { return is_locked(pin_dir_); }

std::vector<jsg_service> PinnedDetector::services() const {
    std::vector<jsg_service> services;
    for (std::uint32_t place = 1; place <= JSG_SERVICES; ++place)
        services.push_back(service(place));
    return services;
}

jsg_service PinnedDetector::service(std::uint32_t place) const {
    return value<jsg_service>("services", place);
}

jsg_baseline PinnedDetector::baseline(std::uint32_t place) const {
    return value<jsg_baseline>("baselines", place);
}

jsg_baseline PinnedDetector::lesson(std::uint32_t place) const {
    return value<jsg_baseline>("lessons", place);
}

std::optional<jsg_window> PinnedDetector::window(std::uint32_t place, const jsg_service& service,
                                                 std::uint64_t sequence) const {
    const jsg_window_key key{place, static_cast<std::uint32_t>(sequence % JSG_WINDOWS_KEPT)};
    const auto found = find<jsg_window>("windows", key);
    const bool is_it = found && found->sequence == sequence && found->port == service.port &&
                       found->end_ns >= service.started_ns;
    return is_it ? found : std::nullopt;
}

jsg_reading PinnedDetector::reading(std::uint32_t place, std::uint64_t sequence) const {
    return value<jsg_reading>("readings",
                              jsg_reading_index(place, sequence, config_.readings_per_service));
}

jsg_stats PinnedDetector::stats() const { return value<jsg_stats>("stats", 0); }

jsg_ticks PinnedDetector::ticks() const { return value<jsg_ticks>("ticks", 0); }

std::vector<int> PinnedDetector::map_fds() const {
    std::vector<int> fds;
    for (const auto& [name, fd] : maps_) fds.push_back(fd);
    return fds;
}

std::uint32_t PinnedDetector::request_relearning() {
    const int fd = open_map("requests", sizeof(jsg_requests), true);
    auto asked = value<jsg_requests>("requests", 0);
    ++asked.relearn;
    const std::uint32_t zero = 0;
    if (bpf_map_update_elem(fd, &zero, &asked, BPF_ANY) != 0) fail("cannot write the map requests");
    return asked.relearn;
}

}  // namespace jsguard
