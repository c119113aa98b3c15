// SPDX-License-Identifier: BSD-2-Clause
// Follows the learning of one service, and describes each change in one line.
#include "observe/service_learning.hpp"

#include <fmt/format.h>

#include <utility>

#include "common/learning_text.hpp"

namespace jsguard {
namespace {

std::string began_text(const jsg_service& service) {
    return service.mode == JSG_MONITORING ? "relearns; the old baseline stays in force until then"
                                          : "begins its learning again";
}

// Whether the service is judged while it learns. Such a service does not learn the steps of an
// alert, and learns until it has enough traffic, however long that takes.
bool is_judged_learner(const jsg_service& service) {
    return service.relearning || service.mode == JSG_STILL_LEARNING;
}

}  // namespace

// Empty until the learning time is over. Also empty if nothing is lacking, because the step that
// ends learning is still running.
std::string ServiceLearning::lacking(const ReadPendingBaseline& read_pending_baseline) const {
    if (!is_judged_learner(last_) || learned_s() < learn_s_) return {};
    return lacking_text(read_pending_baseline(), step_s_);
}

std::vector<ServiceLearning::News> ServiceLearning::follow(
    const jsg_service& now, const ReadPendingBaseline& read_pending_baseline) {
    std::vector<News> news;
    const auto report = [&](Event event, const std::string& text) {
        news.push_back({event, fmt::format("port {}: {}", now.port, text)});
    };
    const jsg_service before = std::exchange(last_, now);
    const bool begins =
        before.port ? now.relearn_request != before.relearn_request : now.relearning != 0;
    // The service may have been read while the kernel took the request up. Then only the request
    // number is certain, unless relearning is set too.
    const bool is_certain = !begins || now.relearning;
    if (is_certain && now.baselines_learned != baselines_learned_) {
        baselines_learned_ = now.baselines_learned;
        has_reported_alert_ = has_reported_lack_ = false;
        report(Event::learned, fmt::format("learned its baseline in {} s", learned_s()));
    }
    if (begins) {
        has_reported_alert_ = has_reported_lack_ = false;
        report(Event::began, began_text(now));
        return news;
    }
    if (!has_reported_alert_ && is_judged_learner(now) && jsg_alert_is_up(&now)) {
        has_reported_alert_ = true;
        report(Event::waits, "an alert is up; learning waits until it has cleared");
    }
    if (has_reported_lack_) return news;
    if (const std::string lack = lacking(read_pending_baseline); !lack.empty()) {
        has_reported_lack_ = true;
        const bool is_first = now.mode == JSG_STILL_LEARNING && before.mode != JSG_STILL_LEARNING;
        report(Event::lacks,
               fmt::format("not enough traffic in {} s ({}); still learning{}", learn_s_, lack,
                           is_first ? ", using the generic baseline" : ""));
    }
    return news;
}

}  // namespace jsguard
