// SPDX-License-Identifier: BSD-2-Clause
// Follows the learning of one service from look to look, and puts into words what has changed: that
// it began again, what it waits for, what it lacks, and that it has learned.
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
        began,    // because it was asked to; a baseline that it has stays in force meanwhile
        waits,    // for an alert to clear
        lacks,    // had its time, and showed too little
        learned,  // what it learned is in force
    };
    struct News {
        Event event;
        std::string line;  // without its newline
    };
    using ReadPendingBaseline = std::function<jsg_baseline()>;

    // learn_s: --learn; step_s: --step.
    ServiceLearning(std::uint32_t learn_s, std::uint32_t step_s)
        : learn_s_(learn_s), step_s_(step_s) {}
    // before: the service as it was, of which nothing is news.
    ServiceLearning(std::uint32_t learn_s, std::uint32_t step_s, const jsg_service& before)
        : learn_s_(learn_s),
          step_s_(step_s),
          last_(before),
          baselines_learned_(before.baselines_learned) {}

    // What has changed since the last look. Waiting and lacking are news once until it begins again
    // or has learned. read_pending_baseline: gives what it has learned so far.
    std::vector<News> follow(const jsg_service& now,
                             const ReadPendingBaseline& read_pending_baseline);

    // As it was at the last sample.
    const jsg_service& service() const { return last_; }
    std::uint32_t learned_s() const { return last_.learned_steps * step_s_; }

  private:
    std::string lacking(const ReadPendingBaseline& read_pending_baseline) const;

    std::uint32_t learn_s_;
    std::uint32_t step_s_;
    jsg_service last_{};  // .port 0: it was not looked at yet
    std::uint32_t baselines_learned_ = 0;
    bool told_of_alert_ = false;
    bool told_of_lack_ = false;
};

}  // namespace jsguard
