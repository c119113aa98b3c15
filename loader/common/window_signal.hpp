// SPDX-License-Identifier: BSD-2-Clause
// What a window's record says of one of its two signals.
#pragma once

#include <cstdint>

#include "kernel/jsguard.h"

namespace jsguard {

inline jsg_alert_state alert_state(const jsg_window& window, jsg_signal signal) {
    return signal == JSG_TRANSITIONS ? window.transition_alert : window.occupancy_alert;
}
inline jsg_verdict verdict(const jsg_window& window, jsg_signal signal) {
    return signal == JSG_TRANSITIONS ? window.transition_verdict : window.occupancy_verdict;
}
inline std::uint32_t js_nanobits(const jsg_window& window, jsg_signal signal) {
    return signal == JSG_TRANSITIONS ? window.transition_js_nanobits : window.occupancy_js_nanobits;
}
inline std::uint64_t kl_nanobits(const jsg_window& window, jsg_signal signal) {
    return signal == JSG_TRANSITIONS ? window.transition_kl_nanobits : window.occupancy_kl_nanobits;
}
inline std::uint32_t chance_nanobits(const jsg_window& window, jsg_signal signal) {
    return signal == JSG_TRANSITIONS ? window.transition_chance_nanobits
                                     : window.occupancy_chance_nanobits;
}

// Without one the record's divergences are 0, and say nothing.
inline bool has_divergence(const jsg_window& window, jsg_signal signal) {
    const jsg_verdict found = verdict(window, signal);
    return found != JSG_NOTHING_SEEN && found != JSG_NOT_JUDGED;
}

}  // namespace jsguard
