// SPDX-License-Identifier: BSD-2-Clause
// Several detectors that judge the same counts, each from its own time on.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "kernel/native/kernel_replay.h"

namespace simulation {

// One step of a service: what a detector counted in it, and its record.
struct Step {
    const jsg_window& record;
    const jsg_reading& counted;
    // The counts of the whole window, by cell. They are read only while a judge does not know the
    // window's first steps.
    std::span<const std::uint32_t> transitions, occupancy;
    std::uint32_t listeners = 1;
};

// Uses the kernel's code for a service step as `jsguard replay` does. Its state is in globals, so a
// process has one set of judges at a time.
class Judges {
  public:
    using OnAlert = std::function<void(const jsg_alert&)>;  // must not throw

    Judges(const jsg_config& config, OnAlert on_alert);
    Judges(const Judges&) = delete;
    Judges& operator=(const Judges&) = delete;

    // A judge begins with the next step, 1 <= id <= JSG_SERVICES. Its alerts have the port. It
    // learns its baseline first.
    void begin(std::uint32_t id, std::uint32_t port);
    // The same from a known state. baseline and pending may be null. history: the known steps.
    void begin(std::uint32_t id, const jsg_service& service, const jsg_baseline* baseline,
               const jsg_baseline* pending, std::span<const jsg_reading> history);
    // Returns the window, as the kernel's record has it.
    const jsg_window& judge(std::uint32_t id, const Step& step);

    const jsg_service& service(std::uint32_t id) const { return *kernel_replay_service(id); }
    const jsg_baseline& baseline(std::uint32_t id) const { return *kernel_replay_baseline(id); }

  private:
    OnAlert on_alert_;
};

}  // namespace simulation
