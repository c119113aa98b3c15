// SPDX-License-Identifier: BSD-2-Clause
// The first and the last line of a run of jsguard-load.
#include "load/run_lines.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/cells.hpp"
#include "common/error.hpp"
#include "common/losses.hpp"
#include "common/quantity_text.hpp"

namespace jsguard {
namespace {

std::string monitored_text(const Options& options, std::span<const std::uint16_t> ports) {
    if (!options.ports.empty()) return ports_text(ports);
    std::string text = "every port with an accepted connection";
    if (!options.excluded_ports.empty())
        text += fmt::format(" except {}", fmt::join(options.excluded_ports, ", "));
    return ports.empty() ? text + " (none yet)"
                         : text + fmt::format(" (now {})", fmt::join(ports, ", "));
}

std::string learning_text(const Options& options, std::size_t ports, std::size_t with_baseline) {
    if (with_baseline == 0) return fmt::format("learning for {} s", options.learn_s);
    if (options.ports.empty())
        return fmt::format("{}, learning for {} s on other ports",
                           counted(with_baseline, "saved baseline", "saved baselines"),
                           options.learn_s);
    if (with_baseline < ports) {
        return fmt::format("{} of {} ports from their baseline, learning for {} s for the others",
                           with_baseline, ports, options.learn_s);
    }
    return "from the baseline";
}

std::string threshold_text(std::uint32_t nanobits) {
    return nanobits ? fmt::format("{} bits", bits_of(nanobits)) : "from the spread";
}

}  // namespace

std::string start_line(const Options& options, std::span<const std::uint16_t> ports,
                       std::size_t with_baseline) {
    return fmt::format(
        "monitoring {}{}: threshold {} for occupancy, {} for transitions; window {} s, step {} s; "
        "{}",
        monitored_text(options, ports),
        options.netns ? fmt::format(" in the network namespace {}", printable(*options.netns)) : "",
        threshold_text(options.occupancy_threshold_nanobits),
        threshold_text(options.transition_threshold_nanobits), options.window_s, options.step_s,
        learning_text(options, ports.size(), with_baseline));
}

std::string summary_line(const jsg_stats& stats) {
    return fmt::format("{} ({} without enough traffic), {}, {}; {}",
                       counted(stats.windows, "window", "windows"),
                       counted(stats.not_enough_traffic, "verdict", "verdicts"),
                       counted(stats.transitions, "transition", "transitions"),
                       counted(stats.alerts, "alert", "alerts"), lost_text(stats));
}

}  // namespace jsguard
