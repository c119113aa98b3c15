// SPDX-License-Identifier: BSD-2-Clause
// What the user is told on stderr as services come, learn, and go.
#include "load/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/learning_text.hpp"
#include "common/print.hpp"
#include "common/progress_bar.hpp"

namespace jsguard {

Progress::Progress(const Options& options, bool terminal)
    : options_(options), terminal_(terminal), known_(JSG_SERVICES, nothing_known()) {}

Progress::Known Progress::nothing_known() const {
    return {0, ServiceLearning(options_.learn_s, options_.step_s)};
}

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

// What only the reader of jsguard-load's lines needs besides.
void Progress::tell_learning(const ServiceLearning::News& news, const jsg_service& before) {
    using Event = ServiceLearning::Event;
    if (news.event == Event::learned) {
        say(news.line + (before.relearning ? ", now in force" : ", now monitoring"));
        learned_ = true;
    } else if (news.event == Event::waits) {
        say(news.line + " (if it is the new normal, start again)");
    } else {
        say(news.line);
    }
}

void Progress::follow_learning(Known& known, const jsg_service& service, const MapReader& reader,
                               std::uint32_t place) {
    const jsg_service before = known.learning.service();
    const bool from_file =
        !before.port && service.mode == JSG_MONITORING && !service.baselines_learned;
    const auto tell_new_baseline = [&] {
        tell_thresholds(service, reader.baseline(place));
        tell_warnings(service);
    };
    if (from_file) tell_new_baseline();
    for (const auto& news :
         known.learning.follow(service, [&] { return reader.pending_baseline(place); })) {
        tell_learning(news, before);
        if (news.event == ServiceLearning::Event::learned) tell_new_baseline();
    }
}

void Progress::follow(Known& known, const jsg_service& service, const MapReader& reader,
                      std::uint32_t place) {
    const std::uint32_t port = service.mode == JSG_LEAVING ? 0 : service.port;
    if (port != known.port) {
        if (known.port)
            say(fmt::format("port {} is no longer used and no longer monitored", known.port));
        if (port && !first_) say(fmt::format("port {} is now monitored too", port));
        known = nothing_known();
        known.port = port;
    }
    // Until its first step a service has no thresholds.
    if (port && service.sequence) follow_learning(known, service, reader, place);
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
