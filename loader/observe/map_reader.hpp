// SPDX-License-Identifier: BSD-2-Clause
// Reads the maps that a detector shows, whoever holds them open.
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

// A map that a detector shows to readers, by the name of its pin.
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
inline constexpr ShownMap stats = {"stats", sizeof(jsg_stats)};
inline constexpr ShownMap ticks = {"ticks", sizeof(jsg_ticks)};
inline constexpr ShownMap readings = {"readings", sizeof(jsg_reading)};
inline constexpr ShownMap counters = {"counters", sizeof(jsg_counters)};  // of one CPU
inline constexpr ShownMap requests = {"control", sizeof(jsg_control)};
// The configuration comes first: a pin directory is known by it.
inline constexpr ShownMap all[] = {config, windows, services, baselines, pending_baselines,
                                   stats,  ticks,   readings, counters,  requests};
}  // namespace shown

// The kernel's step of one service takes well under this. What is read during the step may be of
// two steps.
inline constexpr auto service_step_time = std::chrono::milliseconds(2);

// An id is that of a service, 1..JSG_SERVICES. What cannot be read throws Error(runtime), or
// Error(not_permitted).
class MapReader {
  public:
    // By the maps' names, and open for as long as this is used. A map that is missing here cannot
    // be read.
    using Descriptors = std::map<std::string, int, std::less<>>;
    explicit MapReader(Descriptors maps);

    // Of the maps' layouts; 0 if that cannot be told.
    std::uint32_t schema() const { return schema_; }
    // Whether the maps have the layouts of JSG_SCHEMA. If not, a map may be read only after its
    // layout was compared.
    bool is_of_this_version() const { return config_.has_value(); }
    const jsg_config& config() const { return config_.value(); }
    // -1 without that map.
    int descriptor(const ShownMap& map) const;
    // Of all the maps.
    std::vector<int> descriptors() const;

    // By id from 1 on; those without a port are free.
    std::vector<jsg_service> services() const;
    jsg_service service(std::uint32_t id) const;
    // What the service compares with.
    jsg_baseline baseline(std::uint32_t id) const;
    // What it has learned so far of its next baseline.
    jsg_baseline pending_baseline(std::uint32_t id) const;
    // A window of that service. None if it has not been published yet, or is no longer kept, or is
    // of a service that had this id before.
    std::optional<jsg_window> window(std::uint32_t id, const jsg_service& service,
                                     std::uint64_t sequence) const;
    // Of one of the last config().readings_per_service sequence numbers.
    jsg_reading reading(std::uint32_t id, std::uint64_t sequence) const;
    // By possible CPU.
    std::vector<jsg_counters> counters(std::uint32_t id) const;
    jsg_stats stats() const;
    jsg_ticks ticks() const;

    // Whether the detector's timer has ticked lately.
    bool is_ticking() const;
    std::vector<std::uint16_t> monitored_ports() const;
    // Of the services that have learned theirs.
    Baselines learned_baselines() const;

    // Asks every service to learn its baseline again; the old one stays in force until then. Takes
    // a descriptor of the map "control" that may write.
    void request_relearning() const;

  private:
    template <typename Value, typename Key = std::uint32_t>
    std::optional<Value> find(const ShownMap& map, const Key& key) const;
    template <typename Value>
    Value value(const ShownMap& map, std::uint32_t key = 0) const;

    Descriptors maps_;
    std::uint32_t schema_ = 0;
    std::optional<jsg_config> config_;
};

// The first sequence number whose window may still be kept.
std::uint64_t oldest_window(const jsg_service& service);

// Whether the service that has an id now is another one than before: its sequence begins again.
bool is_another(const jsg_service& now, const jsg_service& before);

// What was counted between two readings of a service, modulo 2^32.
jsg_reading difference(const jsg_reading& newer, const jsg_reading& older);

}  // namespace jsguard
