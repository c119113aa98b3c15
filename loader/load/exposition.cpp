// SPDX-License-Identifier: BSD-2-Clause
// What the detector shows, for Prometheus, once a step.
#include "load/exposition.hpp"

#include <utility>

#include "observe/prometheus_text.hpp"

namespace jsguard {
namespace {

// Each place has its turn in one of a step's ticks.
constexpr std::uint64_t ticks_per_step = JSG_SERVICES;

}  // namespace

Exposition::Exposition(const std::string& pin_dir, OwnDescriptors own, Textfile& textfile)
    : detector_(pin_dir), observer_(detector_, std::move(own)), textfile_(textfile) {}

std::string Exposition::update() {
    return textfile_.write([this]() -> std::optional<std::string> {
        const std::uint64_t step = detector_.ticks().count / ticks_per_step;
        if (step == step_) return {};
        step_ = step;
        return prometheus_text(observer_.observe());
    });
}

}  // namespace jsguard
