// SPDX-License-Identifier: BSD-2-Clause
// Follows the services of a detector that was asked to relearn.
#include "observe/relearning.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/clocks.hpp"

namespace jsguard {

Relearning::Relearning(const std::vector<jsg_service>& services, const jsg_config& config,
                       std::optional<std::uint16_t> port)
    : learn_s_(learn_seconds(config)) {
    for (std::uint32_t i = 0; i < services.size(); ++i) {
        const jsg_service& service = services[i];
        if (!service.port || service.mode == JSG_LEAVING || (port && service.port != *port))
            continue;
        asked_.push_back({i + 1, ServiceLearning(learn_s_, step_seconds(config), service)});
    }
}

std::vector<std::uint16_t> Relearning::ports() const {
    std::vector<std::uint16_t> ports;
    for (const Asked& asked : asked_)
        ports.push_back(static_cast<std::uint16_t>(asked.learning.service().port));
    std::sort(ports.begin(), ports.end());
    return ports;
}

void Relearning::follow_one(Asked& asked, const jsg_service& now,
                            const ReadPendingBaseline& pending_baseline,
                            std::vector<std::string>& lines) {
    const std::uint32_t port = asked.learning.service().port;
    if (now.port != port || now.mode == JSG_LEAVING) {
        asked.stage = Stage::gone;
        lines.push_back(fmt::format("port {}: no longer monitored; not waiting for it", port));
        return;
    }
    using Event = ServiceLearning::Event;
    for (const auto& [event, line] :
         asked.learning.follow(now, [&] { return pending_baseline(asked.service_id); })) {
        if (event == Event::began) asked.stage = Stage::learning;
        // A service takes the request up at its next step. Earlier events belong to a learning time
        // that began before the request.
        if (asked.stage == Stage::asked) continue;
        if (event == Event::learned && !now.relearning) asked.stage = Stage::learned;
        lines.push_back(line);
    }
}

std::vector<std::string> Relearning::follow(const std::vector<jsg_service>& services,
                                            const ReadPendingBaseline& pending_baseline) {
    std::vector<std::string> lines;
    for (Asked& asked : asked_) {
        if (asked.stage == Stage::asked || asked.stage == Stage::learning)
            follow_one(asked, services[asked.service_id - 1], pending_baseline, lines);
    }
    return lines;
}

bool Relearning::is_over() const {
    return std::all_of(asked_.begin(), asked_.end(), [](const Asked& asked) {
        return asked.stage == Stage::learned || asked.stage == Stage::gone;
    });
}

std::vector<std::uint32_t> Relearning::learned() const {
    std::vector<std::uint32_t> service_ids;
    for (const Asked& asked : asked_) {
        if (asked.stage == Stage::learned) service_ids.push_back(asked.service_id);
    }
    return service_ids;
}

std::uint32_t Relearning::done_s() const {
    std::uint32_t min_s = learn_s_;
    for (const Asked& asked : asked_) {
        if (asked.stage == Stage::asked) min_s = 0;
        if (asked.stage == Stage::learning) min_s = std::min(min_s, asked.learning.learned_s());
    }
    return min_s;
}

}  // namespace jsguard
