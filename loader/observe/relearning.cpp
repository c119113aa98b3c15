// SPDX-License-Identifier: BSD-2-Clause
// What the services map tells of relearning, in words.
#include "observe/relearning.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/alert_text.hpp"
#include "common/seconds.hpp"

namespace jsguard {
namespace {

bool has_alert(const jsg_service& service) {
    return std::any_of(std::begin(service.alerts), std::end(service.alerts),
                       [](const jsg_alert_track& track) { return track.state == JSG_ALERT; });
}

}  // namespace

Relearning::Relearning(const std::vector<jsg_service>& services, const jsg_config& config,
                       std::optional<std::uint16_t> port)
    : step_s_(step_seconds(config)), learn_s_(config.learn_steps * step_s_) {
    for (std::uint32_t i = 0; i < services.size(); ++i) {
        const jsg_service& service = services[i];
        if (!service.port || service.mode == JSG_LEAVING || (port && service.port != *port))
            continue;
        Asked asked;
        asked.place = i + 1;
        asked.last = service;
        asked_.push_back(asked);
    }
}

std::vector<std::uint16_t> Relearning::ports() const {
    std::vector<std::uint16_t> ports;
    for (const Asked& asked : asked_) ports.push_back(static_cast<std::uint16_t>(asked.last.port));
    std::sort(ports.begin(), ports.end());
    return ports;
}

std::uint32_t Relearning::learned_s(const jsg_service& service) const {
    return service.learned_steps * step_s_;
}

void Relearning::tell_delays(Asked& asked, const ReadPendingBaseline& pending_baseline,
                             std::vector<std::string>& lines) const {
    const jsg_service& service = asked.last;
    if (has_alert(service) && !asked.told_of_alert) {
        asked.told_of_alert = true;
        lines.push_back(fmt::format("port {}: an alert is up; learning waits until it has cleared",
                                    service.port));
    }
    if (learned_s(service) >= learn_s_ && !asked.told_of_lack) {
        const std::string lacking = lacking_text(pending_baseline(asked.place), step_s_);
        if (lacking.empty()) return;  // its turn is just ending
        asked.told_of_lack = true;
        lines.push_back(fmt::format("port {}: not enough traffic in {} s ({}); still learning",
                                    service.port, learn_s_, lacking));
    }
}

void Relearning::follow_one(Asked& asked, const jsg_service& now,
                            const ReadPendingBaseline& pending_baseline,
                            std::vector<std::string>& lines) const {
    const std::uint32_t port = asked.last.port;
    if (now.port != port || now.mode == JSG_LEAVING) {
        asked.stage = Stage::gone;
        lines.push_back(fmt::format("port {}: no longer monitored, so not waited for", port));
        return;
    }
    // The services take a request up at their next step, and some may end their learning before.
    if (asked.stage == Stage::asked && now.relearn_request != asked.last.relearn_request) {
        asked.stage = Stage::learning;
        lines.push_back(now.mode == JSG_MONITORING
                            ? fmt::format("port {}: relearns; the old baseline stays "
                                          "in force until then",
                                          port)
                            : fmt::format("port {}: begins its learning again", port));
        asked.last = now;
        return;  // a reading may have been taken while the request was taken up
    }
    asked.last = now;
    if (asked.stage != Stage::learning) return;
    if (now.mode == JSG_MONITORING && !now.relearning) {
        asked.stage = Stage::learned;
        lines.push_back(fmt::format("port {}: learned its baseline in {} s", port, learned_s(now)));
        return;
    }
    tell_delays(asked, pending_baseline, lines);
}

std::vector<std::string> Relearning::follow(const std::vector<jsg_service>& services,
                                            const ReadPendingBaseline& pending_baseline) {
    std::vector<std::string> lines;
    for (Asked& asked : asked_) {
        if (asked.stage == Stage::asked || asked.stage == Stage::learning)
            follow_one(asked, services[asked.place - 1], pending_baseline, lines);
    }
    return lines;
}

bool Relearning::is_over() const {
    return std::all_of(asked_.begin(), asked_.end(), [](const Asked& asked) {
        return asked.stage == Stage::learned || asked.stage == Stage::gone;
    });
}

std::vector<std::uint32_t> Relearning::learned() const {
    std::vector<std::uint32_t> places;
    for (const Asked& asked : asked_) {
        if (asked.stage == Stage::learned) places.push_back(asked.place);
    }
    return places;
}

std::uint32_t Relearning::done_s() const {
    std::uint32_t min_s = learn_s_;
    for (const Asked& asked : asked_) {
        if (asked.stage == Stage::asked) min_s = 0;
        if (asked.stage == Stage::learning) min_s = std::min(min_s, learned_s(asked.last));
    }
    return min_s;
}

}  // namespace jsguard
