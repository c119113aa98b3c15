// SPDX-License-Identifier: BSD-2-Clause
// One window of one service as a line of text, for output without a screen.
#include "cli/watch_line.hpp"

#include <fmt/format.h>

#include "cli/status_figures.hpp"
#include "common/cells.hpp"
#include "common/quantity_text.hpp"

namespace jsguard {

std::string divergence_text(const jsg_window& window, const jsg_service& service,
                            jsg_signal signal) {
    const SignalFigures figures = figures_of(service, &window, signal);
    const Limit limit = limit_of(figures);
    return fmt::format(
        "{}/{}", figures.has_divergence ? fmt::format("{:.3f}", bits_of(figures.js_nanobits)) : "-",
        limit.nanobits ? limit_text(limit) : "-");
}

std::string watch_line(const jsg_window& window, const jsg_service& service) {
    std::string line = fmt::format("{} port {} {}:", utc_timestamp(window.end_unix_ms), window.port,
                                   mode_name(window.mode));
    for (const jsg_signal signal : {JSG_OCCUPANCY, JSG_TRANSITIONS})
        line +=
            fmt::format(" {} {} {},", signal_name(signal), divergence_text(window, service, signal),
                        verdict_name(window.signal[signal].verdict));
    line += fmt::format(" {}, {}", counted(window.sockets, "socket", "sockets"),
                        counted(window.open_requests, "request", "requests"));
    for (const jsg_signal signal : {JSG_OCCUPANCY, JSG_TRANSITIONS}) {
        if (const auto state = window.signal[signal].alert; state != JSG_QUIET)
            line += fmt::format(", {} {}", state == JSG_ALERT ? "ALERT" : alert_state_name(state),
                                signal_name(signal));
    }
    return line;
}

}  // namespace jsguard
