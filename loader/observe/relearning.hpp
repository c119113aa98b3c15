// SPDX-License-Identifier: BSD-2-Clause
// Follows the services of a detector that was asked to relearn, until each has its new baseline.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernel/jsguard.h"
#include "observe/service_learning.hpp"

namespace jsguard {

class Relearning {
  public:
    using ReadPendingBaseline = std::function<jsg_baseline(std::uint32_t service_id)>;

    // services: all service entries before the request, by service ID from 1 on. port: follow the
    // service of this port only; none: follow all.
    Relearning(const std::vector<jsg_service>& services, const jsg_config& config,
               std::optional<std::uint16_t> port);

    // The ports of the services that are followed.
    std::vector<std::uint16_t> ports() const;

    // Lines for the user about what has changed since the last call.
    std::vector<std::string> follow(const std::vector<jsg_service>& services,
                                    const ReadPendingBaseline& pending_baseline);

    // Whether every service has learned or is gone.
    bool is_over() const;
    // The service IDs of the services that have learned.
    std::vector<std::uint32_t> learned() const;
    // Seconds that the slowest service has learned.
    std::uint32_t done_s() const;
    std::uint32_t learn_s() const { return learn_s_; }

  private:
    enum class Stage { asked, learning, learned, gone };
    struct Asked {
        std::uint32_t service_id;
        ServiceLearning learning;
        Stage stage = Stage::asked;
    };

    static void follow_one(Asked& asked, const jsg_service& now,
                           const ReadPendingBaseline& pending_baseline,
                           std::vector<std::string>& lines);

    std::uint32_t learn_s_;
    std::vector<Asked> asked_;
};

}  // namespace jsguard
