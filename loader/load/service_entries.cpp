// SPDX-License-Identifier: BSD-2-Clause
// Claims service entries for pinned services before anything is attached.
#include "load/service_entries.hpp"

#include <bpf/libbpf.h>

#include "common/error.hpp"
#include "kernel/layouts.h"
#include "load/bpf_object.hpp"
#include "load/skeleton.hpp"

namespace jsguard {
namespace {

class ServiceEntries {
  public:
    explicit ServiceEntries(jsguard_bpf& skeleton) : skeleton_(skeleton) {}

    // Then the kernel gives this port no entry.
    void exclude(std::uint16_t port) {
        skeleton_.bss->jsg_service_of_port[port] = JSG_PORT_EXCLUDED;
    }

    // baseline: null for a service that learns its own.
    void take(std::uint16_t port, const jsg_baseline* baseline) {
        if (skeleton_.bss->jsg_service_of_port[port] != JSG_PORT_FREE) return;
        if (last_ == JSG_SERVICES)
            throw Error(
                ExitCode::usage,
                fmt::format("there are {} service entries; name fewer ports", JSG_SERVICES));
        const std::uint32_t id = ++last_;
        jsg_service service{};
        service.port = port;
        service.pinned = 1;
        if (baseline) {
            service.mode = JSG_MONITORING;
            write_map(skeleton_.maps.baselines, id, baseline);
        }
        write_map(skeleton_.maps.services, id, &service);
        skeleton_.bss->jsg_service_of_port[port] = static_cast<std::uint8_t>(id);
    }

  private:
    jsguard_bpf& skeleton_;
    std::uint32_t last_ = 0;  // the last service ID that was taken
};

}  // namespace

void make_room_for_baselines(jsguard_bpf& skeleton, std::size_t number) {
    bpf_map__set_max_entries(skeleton.maps.saved_baselines,
                             static_cast<std::uint32_t>(JSG_SAVED_BASELINES + number));
}

void take_service_entries(jsguard_bpf& skeleton, const Options& options,
                          const Baselines& baselines) {
    ServiceEntries entries(skeleton);
    for (const std::uint16_t port : options.excluded_ports) entries.exclude(port);
    for (const std::uint16_t port : options.ports) {
        const auto found = baselines.find(port);
        entries.take(port, found == baselines.end() ? nullptr : &found->second);
    }
    if (!options.ports.empty()) return;
    for (const auto& [port, baseline] : baselines)
        write_map(skeleton.maps.saved_baselines, port, &baseline);
}

}  // namespace jsguard
