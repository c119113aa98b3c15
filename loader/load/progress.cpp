// SPDX-License-Identifier: BSD-2-Clause
// Prints on stderr how services come, learn and go.
#include "load/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/learning_text.hpp"
#include "common/print.hpp"
#include "common/progress_bar.hpp"
#include "common/quantity_text.hpp"

namespace jsguard {

Progress::Progress(const Options& options, bool terminal)
    : options_(options), terminal_(terminal), known_(JSG_SERVICES, nothing_known()) {}

Progress::Known Progress::nothing_known() const {
    return {0, false, ServiceLearning(options_.learn_s, options_.step_s)};
}

void Progress::print(const std::string& line) {
    hide_bar();
    log_line(line);
}

void Progress::print_if_any(const std::string& line) {
    if (!line.empty()) print(line);
}

void Progress::hide_bar() {
    if (bar_shown_) log_text(wipe_line);
    bar_shown_ = false;
}

bool Progress::terminal_is_gone() const { return terminal_ && isatty(STDERR_FILENO) != 1; }

bool Progress::take_learned() { return std::exchange(learned_, false); }

std::vector<std::string> Progress::take_warnings() { return std::exchange(warnings_, {}); }

// With --threshold auto, prints the thresholds, also for a baseline from a file.
void Progress::print_thresholds(const jsg_service& service, const jsg_baseline& baseline) {
    const auto by_default = [&](std::uint32_t threshold, jsg_signal signal) {
        return !threshold && baseline.spread[signal].windows < JSG_SPREAD_WINDOWS;
    };
    if (options_.occupancy_threshold_nanobits && options_.transition_threshold_nanobits) return;
    print(fmt::format("port {}: {}", service.port, learned_thresholds_text(service)));
    if (by_default(options_.occupancy_threshold_nanobits, JSG_OCCUPANCY) ||
        by_default(options_.transition_threshold_nanobits, JSG_TRANSITIONS))
        print(
            fmt::format("port {}: its baseline has too few windows to know their spread, so the "
                        "default threshold applies; learn for longer (--learn)",
                        service.port));
}

// If a detector may have learned an attack as normal, the user must know.
void Progress::print_warnings(const jsg_service& service) {
    if (const std::string why = warnings_text(service.warnings); !why.empty()) {
        warnings_.push_back(fmt::format(
            "port {}: WARNING: its baseline looks like an attack: {}. Only what exceeds "
            "it is reported. If it is not normal for this service, end it, then relearn (jsguard "
            "baseline relearn)",
            service.port, why));
        print(warnings_.back());
    }
    if (service.warnings & JSG_WARN_UNBALANCED)
        print(fmt::format(
            "port {}: while it learned, connections mostly opened, or mostly closed: transitions "
            "raise no alert with such a baseline; relearn when that has ended (jsguard baseline "
            "relearn)",
            service.port));
}

// Adds to the news what only users of jsguard-load need.
void Progress::print_learning(const ServiceLearning::News& news, const jsg_service& before) {
    using Event = ServiceLearning::Event;
    if (news.event == Event::learned) {
        print(news.line + (before.relearning ? ", now in force" : ", now monitoring"));
        learned_ = true;
    } else if (news.event == Event::waits) {
        print(news.line + " (if it is the new normal, start again)");
    } else {
        print(news.line);
    }
}

void Progress::follow_learning(Known& known, const jsg_service& service, const MapReader& reader,
                               std::uint32_t service_id) {
    const jsg_service before = known.learning.service();
    const bool from_file =
        !before.port && service.mode == JSG_MONITORING && !service.baselines_learned;
    const auto print_new_baseline = [&] {
        print_thresholds(service, reader.baseline(service_id));
        print_warnings(service);
    };
    if (from_file) print_new_baseline();
    for (const auto& news :
         known.learning.follow(service, [&] { return reader.pending_baseline(service_id); })) {
        print_learning(news, before);
        if (news.event == ServiceLearning::Event::learned) print_new_baseline();
    }
}

void Progress::follow(Known& known, const jsg_service& service, const MapReader& reader,
                      std::uint32_t service_id) {
    if (service.mode == JSG_LEAVING) return;  // it may be used again
    const std::uint32_t port = service.port;
    if (port != known.port) {
        if (known.port)
            print(fmt::format("port {} is no longer used and no longer monitored", known.port));
        if (port && !first_) print(fmt::format("port {} is now monitored too", port));
        known = nothing_known();
        known.port = port;
    }
    print_if_unused(known, service);
    // A service has no thresholds before its first step.
    if (port && service.sequence) follow_learning(known, service, reader, service_id);
}

// A named port without a listener may be a slip of the pen. The samples of the first step are
// complete at the second.
void Progress::print_if_unused(Known& known, const jsg_service& service) {
    if (!service.port || !service.pinned || known.checked_for_use || service.sequence < 2) return;
    known.checked_for_use = true;
    if (!service.listeners && !service.sockets)
        print(fmt::format("port {}: nobody listens on it; it is monitored from when somebody does",
                          service.port));
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
    log_text(fmt::format("{}{}", wipe_line, bar));
    bar_shown_ = true;
}

void Progress::print_refused(std::uint64_t refused) {
    if (refused > refused_)
        print(fmt::format(
            "{} found no service entry, because all {} are taken; name the ports that matter with "
            "--localport",
            counted(refused, "port", "ports"), JSG_SERVICES));
    refused_ = refused;
}

void Progress::update(const MapReader& reader) {
    const auto services = reader.services();
    for (std::uint32_t i = 0; i < services.size(); ++i)
        follow(known_[i], services[i], reader, i + 1);
    first_ = false;
    print_refused(reader.stats().services_refused);
    if (terminal_) draw_bar(services);
}

}  // namespace jsguard
