// SPDX-License-Identifier: BSD-2-Clause
// Follows the learning of one service, and describes each change in one line: that it began again,
// waits for an alert to clear, lacks traffic, or has learned.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernel/jsguard.h"

namespace jsguard {

class ServiceLearning {
  public:
    enum class Event {
        began,    // on request; a baseline in force stays in force until the end
        waits,    // for an alert to clear
        lacks,    // the learning time is over, but there was not enough traffic
        learned,  // the new baseline is in force
    };
    struct News {
        Event event;
        std::string line;  // without its newline
    };
    using ReadPendingBaseline = std::function<jsg_baseline()>;

    // learn_s: --learn; step_s: --step.
    ServiceLearning(std::uint32_t learn_s, std::uint32_t step_s)
        : learn_s_(learn_s), step_s_(step_s) {}
    // before: the present state of the service, which is not reported.
    ServiceLearning(std::uint32_t learn_s, std::uint32_t step_s, const jsg_service& before)
        : learn_s_(learn_s),
          step_s_(step_s),
          last_(before),
          baselines_learned_(before.baselines_learned) {}

    // The changes since the last call. Event::waits and Event::lacks are reported once, until the
    // service begins again or has learned. read_pending_baseline: reads its pending baseline.
    std::vector<News> follow(const jsg_service& now,
                             const ReadPendingBaseline& read_pending_baseline);

    // The service at the last call of follow().
    const jsg_service& service() const { return last_; }
    std::uint32_t learned_s() const { return last_.learned_steps * step_s_; }

  private:
    std::string lacking(const ReadPendingBaseline& read_pending_baseline) const;

    std::uint32_t learn_s_;
    std::uint32_t step_s_;
    jsg_service last_{};  // .port 0: follow() was not called yet
    std::uint32_t baselines_learned_ = 0;
    bool has_reported_alert_ = false;
    bool has_reported_lack_ = false;
};

}  // namespace jsguard
