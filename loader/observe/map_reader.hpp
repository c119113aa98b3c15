// SPDX-License-Identifier: BSD-2-Clause
// Reads the maps of a detector through open descriptors.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/baseline_file.hpp"
#include "kernel/jsguard.h"

namespace jsguard {

// A map that a detector pins for readers. name: the file name of the pin.
struct ShownMap {
    const char* name;
    std::uint32_t value_size;
};
namespace shown {
inline constexpr ShownMap config = {"config", sizeof(jsg_config)};
inline constexpr ShownMap windows = {"windows", sizeof(jsg_window)};
inline constexpr ShownMap services = {"services", sizeof(jsg_service)};
inline constexpr ShownMap baselines = {"baselines", sizeof(jsg_baseline)};
inline constexpr ShownMap pending_baselines = {"pending_baselines", sizeof(jsg_baseline)};
inline constexpr ShownMap saved_baselines = {"saved_baselines", sizeof(jsg_baseline)};
inline constexpr ShownMap stats = {"stats", sizeof(jsg_stats)};
inline constexpr ShownMap ticks = {"ticks", sizeof(jsg_ticks)};
inline constexpr ShownMap readings = {"readings", sizeof(jsg_reading)};
inline constexpr ShownMap counters = {"counters", sizeof(jsg_counters)};  // of one CPU
inline constexpr ShownMap control = {"control", sizeof(jsg_control)};
// The configuration comes first: its pin marks a pin directory of jsguard.
inline constexpr ShownMap all[] = {config,          windows, services, baselines, pending_baselines,
                                   saved_baselines, stats,   ticks,    readings,  counters,
                                   control};
}  // namespace shown

// A service step in the kernel takes much less time than this. Values that are read during a
// service step may belong to two different steps.
inline constexpr auto service_step_time = std::chrono::milliseconds(2);

// id: a service ID, 1..JSG_SERVICES. All functions throw Error(runtime) or Error(not_permitted) if
// a map cannot be read.
class MapReader {
  public:
    // Open descriptors by map name. They must stay open while the reader is in use. A map without a
    // descriptor cannot be read.
    using Descriptors = std::map<std::string, int, std::less<>>;
    explicit MapReader(Descriptors maps);

    // The version of the maps' layouts; 0 if it is unknown.
    std::uint32_t schema() const { return schema_; }
    // Whether the maps have the layouts of JSG_SCHEMA. If not, compare the layout of a map before
    // you read it.
    bool is_of_this_version() const { return config_.has_value(); }
    const jsg_config& config() const { return config_.value(); }
    // -1 if there is no descriptor for the map.
    int descriptor(const ShownMap& map) const;
    // The descriptors of all maps.
    std::vector<int> descriptors() const;

    // All service entries, by ID from 1 on. An entry without a port is free.
    std::vector<jsg_service> services() const;
    jsg_service service(std::uint32_t id) const;
    // The baseline in force.
    jsg_baseline baseline(std::uint32_t id) const;
    // The pending baseline: the counts that were learned so far.
    jsg_baseline pending_baseline(std::uint32_t id) const;
    // A window of that service. None if it has not been published yet, if it is no longer kept, or
    // if it belongs to an earlier service with this ID.
    std::optional<jsg_window> window(std::uint32_t id, const jsg_service& service,
                                     std::uint64_t sequence) const;
    // sequence: one of the last config().readings_per_service sequence numbers.
    jsg_reading reading(std::uint32_t id, std::uint64_t sequence) const;
    // One element for each possible CPU.
    std::vector<jsg_counters> counters(std::uint32_t id) const;
    jsg_stats stats() const;
    jsg_ticks ticks() const;

    // Whether the detector's timer still ticks; see silent_too_long_ns().
    bool is_ticking() const;
    std::vector<std::uint16_t> monitored_ports() const;
    // The baselines in force, and the saved ones of ports without a service.
    Baselines learned_baselines() const;

    // Asks every service to relearn, and removes the saved baselines: these ports learn when they
    // are used again. Needs writable descriptors of the maps "control" and "saved_baselines".
    // Returns how many baselines were removed.
    std::size_t request_relearning() const;

  private:
    void add_baselines_in_force(Baselines& all) const;
    void add_saved_baselines(Baselines& all) const;
    std::size_t remove_saved_baselines() const;
    template <typename Value, typename Key = std::uint32_t>
    std::optional<Value> find(const ShownMap& map, const Key& key) const;
    template <typename Value>
    Value value(const ShownMap& map, std::uint32_t key = 0) const;

    Descriptors maps_;
    std::uint32_t schema_ = 0;
    std::optional<jsg_config> config_;
};

// The lowest sequence number whose window may still be kept.
std::uint64_t oldest_window(const jsg_service& service);

// Whether a service entry now holds another service than before. The sequence of a new service
// begins again.
bool is_another(const jsg_service& now, const jsg_service& before);

// What was counted between two readings of a service, modulo 2^32.
jsg_reading difference(const jsg_reading& newer, const jsg_reading& older);

}  // namespace jsguard
