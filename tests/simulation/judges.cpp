// SPDX-License-Identifier: BSD-2-Clause
// Several detectors that judge the same counts, each from its own time on.
#include "tests/simulation/judges.hpp"

#include <new>
#include <stdexcept>
#include <utility>

namespace simulation {

Judges::Judges(const jsg_config& config, OnAlert on_alert) : on_alert_(std::move(on_alert)) {
    const auto handler = [](void* judges, const jsg_alert* alert) {
        static_cast<Judges*>(judges)->on_alert_(*alert);
    };
    if (kernel_replay_begin(&config, handler, this) != 0) throw std::bad_alloc();
}

void Judges::begin(std::uint32_t id, std::uint32_t port) {
    jsg_service service{};
    service.port = port;
    service.mode = JSG_LEARNING;
    begin(id, service, nullptr, nullptr, {});
}

void Judges::begin(std::uint32_t id, const jsg_service& service, const jsg_baseline* baseline,
                   const jsg_baseline* pending, std::span<const jsg_reading> history) {
    if (id == 0 || id > JSG_SERVICES) throw std::logic_error("there is no such judge");
    kernel_replay_set_service(id, &service, baseline, pending, history.data(),
                              static_cast<std::uint32_t>(history.size()));
}

const jsg_window& Judges::judge(std::uint32_t id, const Step& step) {
    jsg_window record = step.record;
    record.sequence = service(id).sequence + 1;  // each judge counts its own windows
    const kernel_replay_step replayed{.record = &record,
                                      .counted = &step.counted,
                                      .transitions = step.transitions.data(),
                                      .occupancy = step.occupancy.data(),
                                      .listeners = step.listeners,
                                      .relearn = 0};
    kernel_replay_service_step(id, &replayed);
    return *kernel_replay_window(id);
}

}  // namespace simulation
