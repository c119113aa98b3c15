// SPDX-License-Identifier: BSD-2-Clause
// Follows the learning of one service, and puts into words what has changed.
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

// Then it is judged while it learns, and leaves out the steps of an alert; it learns until it has
// enough, however long that takes.
bool is_judged_learner(const jsg_service& service) {
    return service.relearning || service.mode == JSG_STILL_LEARNING;
}

}  // namespace

// Empty before its time is over; and while the step that ends learning is under way.
std::string ServiceLearning::lacking(const ReadPendingBaseline& read_pending_baseline) const {
    if (!is_judged_learner(last_) || learned_s() < learn_s_) return {};
    return lacking_text(read_pending_baseline(), step_s_);
}

std::vector<ServiceLearning::News> ServiceLearning::follow(
    const jsg_service& now, const ReadPendingBaseline& read_pending_baseline) {
    std::vector<News> news;
    const auto tell = [&](Event event, const std::string& text) {
        news.push_back({event, fmt::format("port {}: {}", now.port, text)});
    };
    const jsg_service before = std::exchange(last_, now);
    const bool begins =
        before.port ? now.relearn_request != before.relearn_request : now.relearning != 0;
    // A reading may have been taken while the request was taken up: then only the request is sure,
    // unless the rest of it is there too.
    const bool is_sure = !begins || now.relearning;
    if (is_sure && now.baselines_learned != baselines_learned_) {
        baselines_learned_ = now.baselines_learned;
        told_of_alert_ = told_of_lack_ = false;
        tell(Event::learned, fmt::format("learned its baseline in {} s", learned_s()));
    }
    if (begins) {
        told_of_alert_ = told_of_lack_ = false;
        tell(Event::began, began_text(now));
        return news;
    }
    if (!told_of_alert_ && is_judged_learner(now) && jsg_alert_is_up(&now)) {
        told_of_alert_ = true;
        tell(Event::waits, "an alert is up; learning waits until it has cleared");
    }
    if (told_of_lack_) return news;
    if (const std::string lack = lacking(read_pending_baseline); !lack.empty()) {
        told_of_lack_ = true;
        const bool is_first = now.mode == JSG_STILL_LEARNING && before.mode != JSG_STILL_LEARNING;
        tell(Event::lacks,
             fmt::format("not enough traffic in {} s ({}); still learning{}", learn_s_, lack,
                         is_first ? ", using the generic baseline" : ""));
    }
    return news;
}

}  // namespace jsguard
