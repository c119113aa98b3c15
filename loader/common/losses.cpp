// SPDX-License-Identifier: BSD-2-Clause
// Texts about what a detector lost or left out.
#include "common/losses.hpp"

#include "common/quantity_text.hpp"

namespace jsguard {

std::string losses_text(const jsg_stats& stats) {
    std::string lost;
    const auto add = [&lost](std::uint64_t count, std::string_view one, std::string_view many) {
        if (count) lost += (lost.empty() ? "" : ", ") + counted(count, one, many);
    };
    for (const Loss& loss : losses) add(stats.*loss.count, loss.one, loss.many);
    return lost;
}

std::string lost_text(const jsg_stats& stats) {
    const std::string lost = losses_text(stats);
    return lost.empty() ? "nothing lost" : "lost or left out: " + lost;
}

}  // namespace jsguard
