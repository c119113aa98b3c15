// SPDX-License-Identifier: BSD-2-Clause
// What the user is told on stderr as services come, learn, and go.
#include "load/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/alert_text.hpp"
#include "common/progress_bar.hpp"
#include "common/tell.hpp"

namespace jsguard {

Progress::Progress(const Options& options, bool terminal)
    : options_(options), terminal_(terminal), known_(JSG_SERVICES) {}

void Progress::say(const std::string& line) {
    hide_bar();
    tell(line);
}

void Progress::say_if_any(const std::string& line) {
    if (!line.empty()) say(line);
}

void Progress::hide_bar() {
    if (bar_shown_) tell_text(wipe_line);
    bar_shown_ = false;
}

bool Progress::terminal_is_gone() const { return terminal_ && isatty(STDERR_FILENO) != 1; }

bool Progress::take_learned() { return std::exchange(learned_, false); }

std::vector<std::string> Progress::take_warnings() { return std::exchange(warnings_, {}); }

void Progress::tell_learned(const Known& known, const jsg_service& service) {
    say(fmt::format("port {}: learned its baseline{} in {} s, now {}", service.port,
                    known.relearning ? " again" : "", service.learned_steps * options_.step_s,
                    known.relearning ? "in force" : "monitoring"));
    learned_ = true;
}

// With --threshold auto, what it is; also that of a baseline from a file.
void Progress::tell_thresholds(const jsg_service& service, const jsg_baseline& baseline) {
    const auto by_default = [&](std::uint32_t threshold, jsg_signal signal) {
        return !threshold && baseline.spread[signal].windows < JSG_SPREAD_WINDOWS;
    };
    if (options_.occupancy_threshold_nanobits && options_.transition_threshold_nanobits) return;
    say(fmt::format("port {}: {}", service.port, learned_thresholds_text(service)));
    if (by_default(options_.occupancy_threshold_nanobits, JSG_OCCUPANCY) ||
        by_default(options_.transition_threshold_nanobits, JSG_TRANSITIONS))
        say(
            fmt::format("port {}: its baseline saw too few windows to know their spread, so a "
                        "threshold is the default; learn for longer (--learn)",
                        service.port));
}

// A detector that took an attack for normal must not monitor in silence.
void Progress::tell_warnings(const jsg_service& service) {
    if (const std::string why = warnings_text(service.warnings); !why.empty()) {
        warnings_.push_back(fmt::format(
            "port {}: WARNING: its baseline looks like an attack: {}. Only what exceeds "
            "it is reported. If it is not normal for this service, end it, then relearn (kill -HUP "
            "{})",
            service.port, why, getpid()));
        say(warnings_.back());
    }
    if (service.warnings & JSG_WARN_UNBALANCED)
        say(fmt::format(
            "port {}: while it learned, connections mostly opened, or mostly closed: no "
            "transitions alert by such a baseline; relearn when that has settled (kill -HUP {})",
            service.port, getpid()));
}

void Progress::tell_baseline(const Known& known, const jsg_service& service,
                             const MapReader& reader, std::uint32_t place) {
    const bool learned = service.baselines_learned != known.baselines_learned;
    const bool from_file = service.mode == JSG_MONITORING && known.mode == JSG_FREE && !learned;
    if (learned) tell_learned(known, service);
    if (!learned && !from_file) return;
    tell_thresholds(service, reader.baseline(place));
    tell_warnings(service);
}

void Progress::tell_relearning(Known& known, const jsg_service& service, const MapReader& reader,
                               std::uint32_t place) {
    const bool waiting = service.relearning && jsg_alert_is_up(&service);
    const bool lacking =
        service.relearning && service.learned_steps * options_.step_s >= options_.learn_s;
    if (service.relearning && !known.relearning)
        say(fmt::format("port {}: relearns; the old baseline stays in force until then",
                        service.port));
    if (waiting && !known.waiting)
        say(fmt::format(
            "port {}: an alert is up; learning waits until it has cleared (if it is the new "
            "normal, start again)",
            service.port));
    if (lacking && !known.lacking)
        say(fmt::format("port {}: not enough traffic in {} s ({}); still learning", service.port,
                        options_.learn_s,
                        lacking_text(reader.pending_baseline(place), options_.step_s)));
    known.relearning = service.relearning != 0;
    known.waiting = waiting;
    known.lacking = lacking;
}

void Progress::follow(Known& known, const jsg_service& service, const MapReader& reader,
                      std::uint32_t place) {
    const std::uint32_t port = service.mode == JSG_LEAVING ? 0 : service.port;
    if (port != known.port) {
        if (known.port)
            say(fmt::format("port {} is no longer used and no longer monitored", known.port));
        if (port && !first_) say(fmt::format("port {} is now monitored too", port));
        known = {};
        known.port = port;
    }
    // Until its first step a service has no thresholds.
    if (!port || !service.sequence) return;
    tell_baseline(known, service, reader, place);
    if (service.mode == JSG_STILL_LEARNING && known.mode != JSG_STILL_LEARNING)
        say(fmt::format(
            "port {}: not enough traffic in {} s ({}); still learning, using the generic "
            "baseline",
            port, options_.learn_s, lacking_text(reader.pending_baseline(place), options_.step_s)));
    tell_relearning(known, service, reader, place);
    known.mode = service.mode;
    known.baselines_learned = service.baselines_learned;
}

void Progress::draw_bar(const std::vector<jsg_service>& services) {
    std::uint32_t steps = 0;
    bool learning = false;
    for (const jsg_service& service : services) {
        if (!service.port || (service.mode > JSG_LEARNING && !service.relearning)) continue;
        learning = true;
        steps = std::max(steps, service.learned_steps);
    }
    if (!learning) return hide_bar();
    const std::string bar =
        learning_bar(steps * options_.step_s, options_.learn_s, terminal_width() - 1);
    tell_text(fmt::format("{}{}", wipe_line, bar));
    bar_shown_ = true;
}

void Progress::tell_refused(std::uint64_t refused) {
    if (refused > refused_)
        say(fmt::format(
            "{} listening {} not monitored: all {} service entries are taken; name the ports that "
            "matter with --localport",
            refused, refused == 1 ? "port is" : "ports are", JSG_SERVICES));
    refused_ = refused;
}

void Progress::update(const MapReader& reader) {
    const auto services = reader.services();
    for (std::uint32_t i = 0; i < services.size(); ++i)
        follow(known_[i], services[i], reader, i + 1);
    first_ = false;
    tell_refused(reader.stats().services_refused);
    if (terminal_) draw_bar(services);
}

}  // namespace jsguard
