// SPDX-License-Identifier: BSD-2-Clause
// Reads the maps of a detector through open descriptors.
#include "observe/map_reader.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <iterator>
#include <set>
#include <utility>

#include "common/clocks.hpp"
#include "common/error.hpp"
#include "observe/bpf_info.hpp"
#include "observe/observation.hpp"

namespace jsguard {
namespace {

// tried: "read" or "write".
[[noreturn]] void fail(std::string_view tried, const ShownMap& map) {
    const bool refused = lacks_permission(errno);
    throw errno_error(refused ? ExitCode::not_permitted : ExitCode::runtime, errno,
                      fmt::format("cannot {} the map {}", tried, map.name),
                      refused ? "run it as root" : "");
}

// Whether the service has a baseline in force, or had one before its port began to leave.
bool has_baseline(const jsg_service& service) {
    const jsg_mode mode = service.mode == JSG_LEAVING ? service.mode_before : service.mode;
    return service.port && mode == JSG_MONITORING;
}

}  // namespace

// Another version's configuration may have another size. The schema has the same offset in each.
MapReader::MapReader(Descriptors maps) : maps_(std::move(maps)) {
    const int map = descriptor(shown::config);
    if (map < 0) return;
    std::vector<char> bytes(info_of_map(map).value_size);
    if (bytes.size() < JSG_SCHEMA_OFFSET + sizeof(schema_)) return;
    const std::uint32_t key = 0;
    if (bpf_map_lookup_elem(map, &key, bytes.data()) != 0) fail("read", shown::config);
    std::memcpy(&schema_, bytes.data() + JSG_SCHEMA_OFFSET, sizeof(schema_));
    if (schema_ == JSG_SCHEMA && bytes.size() == sizeof(jsg_config))
        std::memcpy(&config_.emplace(), bytes.data(), sizeof(jsg_config));
}

int MapReader::descriptor(const ShownMap& map) const {
    const auto found = maps_.find(map.name);
    return found == maps_.end() ? -1 : found->second;
}

std::vector<int> MapReader::descriptors() const {
    std::vector<int> all;
    for (const auto& [name, descriptor] : maps_) all.push_back(descriptor);
    return all;
}

template <typename Value, typename Key>
std::optional<Value> MapReader::find(const ShownMap& map, const Key& key) const {
    Value value{};
    if (bpf_map_lookup_elem(descriptor(map), &key, &value) == 0) return value;
    if (errno != ENOENT) fail("read", map);
    return {};
}

template <typename Value>
Value MapReader::value(const ShownMap& map, std::uint32_t key) const {
    if (const auto found = find<Value>(map, key)) return *found;
    fail("read", map);
}

std::vector<jsg_service> MapReader::services() const {
    std::vector<jsg_service> all;
    for (std::uint32_t id = 1; id <= JSG_SERVICES; ++id) all.push_back(service(id));
    return all;
}

jsg_service MapReader::service(std::uint32_t id) const {
    auto service = value<jsg_service>(shown::services, id);
    if (service.port >= JSG_PORTS) service.port = 0;  // the tick is emptying the entry
    return service;
}

jsg_baseline MapReader::baseline(std::uint32_t id) const {
    return value<jsg_baseline>(shown::baselines, id);
}

jsg_baseline MapReader::pending_baseline(std::uint32_t id) const {
    return value<jsg_baseline>(shown::pending_baselines, id);
}

std::optional<jsg_window> MapReader::window(std::uint32_t id, const jsg_service& service,
                                            std::uint64_t sequence) const {
    const jsg_window_key key{id, static_cast<std::uint32_t>(sequence % JSG_WINDOWS_KEPT)};
    const auto found = find<jsg_window>(shown::windows, key);
    const bool matches = found && found->sequence == sequence && found->port == service.port &&
                         found->end_ns >= service.started_ns;
    return matches ? found : std::nullopt;
}

jsg_reading MapReader::reading(std::uint32_t id, std::uint64_t sequence) const {
    return value<jsg_reading>(shown::readings,
                              jsg_reading_index(id, sequence, config().readings_per_service));
}

std::vector<jsg_counters> MapReader::counters(std::uint32_t id) const {
    std::vector<jsg_counters> rows(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    if (bpf_map_lookup_elem(descriptor(shown::counters), &id, rows.data()) != 0)
        fail("read", shown::counters);
    return rows;
}

jsg_stats MapReader::stats() const { return value<jsg_stats>(shown::stats); }

jsg_ticks MapReader::ticks() const { return value<jsg_ticks>(shown::ticks); }

bool MapReader::is_ticking() const {
    return !is_silent(silence_ns(ticks().last_ns, clock_ns(CLOCK_MONOTONIC)), config());
}

std::vector<std::uint16_t> MapReader::monitored_ports() const {
    std::set<std::uint16_t> ports;
    for (const jsg_service& service : services()) {
        if (service.port) ports.insert(static_cast<std::uint16_t>(service.port));
    }
    return {ports.begin(), ports.end()};
}

// Adds the baselines in force. The tick may empty an entry, and the entry may get another port,
// while its baseline is read. Such a baseline is left out.
void MapReader::add_baselines_in_force(Baselines& all) const {
    for (std::uint32_t id = 1; id <= JSG_SERVICES; ++id) {
        const jsg_service before = service(id);
        if (!has_baseline(before)) continue;
        const jsg_baseline found = baseline(id);
        const jsg_service after = service(id);
        if (has_baseline(after) && after.port == before.port &&
            after.started_ns == before.started_ns)
            all[static_cast<std::uint16_t>(before.port)] = found;
    }
}

// Adds the saved baselines of ports that have none in all. The kernel may change the map at the
// same time, and then the walk may begin again, so that the number of keys is limited.
void MapReader::add_saved_baselines(Baselines& all) const {
    const int map = descriptor(shown::saved_baselines);
    if (map < 0) return;  // of a damaged detector
    std::uint32_t port = 0;
    const std::uint32_t* last = nullptr;
    for (int keys = 0; keys < JSG_PORTS && bpf_map_get_next_key(map, last, &port) == 0; ++keys) {
        last = &port;
        if (const auto saved = find<jsg_baseline>(shown::saved_baselines, port))
            all.emplace(static_cast<std::uint16_t>(port), *saved);
    }
}

// Reads the services again at the end: a port may get or lose its entry in between.
Baselines MapReader::learned_baselines() const {
    Baselines all;
    add_baselines_in_force(all);
    add_saved_baselines(all);
    add_baselines_in_force(all);
    return all;
}

std::size_t MapReader::remove_saved_baselines() const {
    const int map = descriptor(shown::saved_baselines);
    std::size_t removed = 0;
    for (std::uint32_t port = 0; bpf_map_get_next_key(map, nullptr, &port) == 0; ++removed) {
        if (bpf_map_delete_elem(map, &port) != 0 && errno != ENOENT)
            fail("write", shown::saved_baselines);
    }
    return removed;
}

// A port may get its saved baseline back before the request, or save it after the first removal.
std::size_t MapReader::request_relearning() const {
    std::size_t removed = remove_saved_baselines();
    auto control = value<jsg_control>(shown::control);
    ++control.relearn;
    const std::uint32_t key = 0;
    if (bpf_map_update_elem(descriptor(shown::control), &key, &control, BPF_ANY) != 0)
        fail("write", shown::control);
    return removed + remove_saved_baselines();
}

std::uint64_t oldest_window(const jsg_service& service) {
    return service.sequence < JSG_WINDOWS_KEPT ? 1 : service.sequence - JSG_WINDOWS_KEPT + 1;
}

bool is_another(const jsg_service& now, const jsg_service& before) {
    return now.port != before.port || now.sequence < before.sequence ||
           (before.started_ns && now.started_ns != before.started_ns);
}

jsg_reading difference(const jsg_reading& newer, const jsg_reading& older) {
    jsg_reading between{};
    std::transform(std::begin(newer.transitions), std::end(newer.transitions), older.transitions,
                   between.transitions, std::minus<>());
    std::transform(std::begin(newer.occupancy), std::end(newer.occupancy), older.occupancy,
                   between.occupancy, std::minus<>());
    between.answers = newer.answers - older.answers;
    between.full_queue_steps = newer.full_queue_steps - older.full_queue_steps;
    return between;
}

}  // namespace jsguard
