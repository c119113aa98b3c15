// SPDX-License-Identifier: BSD-2-Clause
// Follows the services of a detector that was asked to relearn until each has its new baseline.
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
    using ReadPendingBaseline = std::function<jsg_baseline(std::uint32_t place)>;

    // services: by place, the first is that of place 1, as they were before they were asked. port:
    // of the one service that matters; none: all.
    Relearning(const std::vector<jsg_service>& services, const jsg_config& config,
               std::optional<std::uint16_t> port);

    // Those that were asked.
    std::vector<std::uint16_t> ports() const;

    // The lines that what has changed since the last call is worth.
    std::vector<std::string> follow(const std::vector<jsg_service>& services,
                                    const ReadPendingBaseline& pending_baseline);

    // Nothing is left to wait for.
    bool is_over() const;
    // The places of those that have learned.
    std::vector<std::uint32_t> learned() const;
    // How far the last of them is.
    std::uint32_t done_s() const;
    std::uint32_t learn_s() const { return learn_s_; }

  private:
    enum class Stage { asked, learning, learned, gone };
    struct Asked {
        std::uint32_t place;
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
