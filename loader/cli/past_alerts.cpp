// SPDX-License-Identifier: BSD-2-Clause
// The alerts that a service's windows tell of and that are over.
#include "cli/past_alerts.hpp"

#include <algorithm>
#include <optional>

#include "common/cells.hpp"

namespace jsguard {
namespace {

void add_past(std::span<const jsg_window> windows, jsg_signal signal,
              std::vector<PastAlert>& alerts) {
    std::optional<PastAlert> up;
    std::uint64_t raised_ns = 0;
    for (const jsg_window& window : windows) {
        const bool is_up = window.signal[signal].alert == JSG_ALERT;
        if (is_up && !up) {
            up = {signal, window.end_unix_ms, &window == &windows.front(), 0, 0, 0};
            raised_ns = window.end_ns;
        }
        if (is_up && window.signal[signal].verdict == JSG_ABOVE)
            up->peak_nanobits = std::max(up->peak_nanobits, window.signal[signal].js_nanobits);
        if (is_up || !up) continue;
        up->cleared_unix_ms = window.end_unix_ms;
        if (!up->is_older) up->duration_ns = window.end_ns - raised_ns;
        alerts.push_back(*up);
        up.reset();
    }
}

}  // namespace

std::vector<PastAlert> past_alerts(std::span<const jsg_window> windows) {
    std::vector<PastAlert> alerts;
    for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY})
        add_past(windows, signal, alerts);
    std::stable_sort(alerts.begin(), alerts.end(), [](const auto& a, const auto& b) {
        return a.cleared_unix_ms > b.cleared_unix_ms;
    });
    return alerts;
}

}  // namespace jsguard
