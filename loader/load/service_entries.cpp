// SPDX-License-Identifier: BSD-2-Clause
// Claims service entries for pinned services before anything is attached.
#include "load/service_entries.hpp"

#include "common/error.hpp"
#include "load/bpf_object.hpp"
#include "load/skeleton.hpp"

namespace jsguard {
namespace {

class ServiceEntries {
  public:
    explicit ServiceEntries(jsguard_bpf& skeleton) : skeleton_(skeleton) {}

    // Then the kernel gives this port no entry.
    void claim(std::uint16_t port) { claims(port) |= claim_of(port); }

    // baseline: null for a service that learns its own.
    void take(std::uint16_t port, const jsg_baseline* baseline) {
        if (claims(port) & claim_of(port)) return;
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
        claim(port);
        skeleton_.bss->jsg_service_of_port[port] = static_cast<std::uint8_t>(id);
    }

  private:
    static constexpr unsigned claims_per_word = 64;
    static __u64 claim_of(std::uint16_t port) { return 1ULL << (port % claims_per_word); }
    __u64& claims(std::uint16_t port) {
        return skeleton_.bss->jsg_port_claimed[port / claims_per_word];
    }

    jsguard_bpf& skeleton_;
    std::uint32_t last_ = 0;  // the last service ID that was taken
};

}  // namespace

void take_service_entries(jsguard_bpf& skeleton, const Options& options,
                          const Baselines& baselines) {
    ServiceEntries entries(skeleton);
    for (const std::uint16_t port : options.excluded_ports) entries.claim(port);
    for (const std::uint16_t port : options.ports) {
        const auto found = baselines.find(port);
        entries.take(port, found == baselines.end() ? nullptr : &found->second);
    }
    if (!options.ports.empty()) return;
    for (const auto& [port, baseline] : baselines) entries.take(port, &baseline);
}

}  // namespace jsguard
