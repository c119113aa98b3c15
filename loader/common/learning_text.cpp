// SPDX-License-Identifier: BSD-2-Clause
// Texts about learning: its progress, the traffic that it still needs, and its result.
#include "common/learning_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "common/baseline_file.hpp"
#include "common/progress_bar.hpp"
#include "common/quantity_text.hpp"
#include "kernel/significance.h"

namespace jsguard {

std::string lacking_text(const jsg_baseline& pending_baseline, std::uint32_t step_s) {
    const std::uint64_t seconds = socket_seconds(pending_baseline);
    std::vector<std::string> lacking;
    if (pending_baseline.transitions < JSG_BASELINE_TRANSITIONS)
        lacking.push_back(fmt::format("{} of {} transitions", pending_baseline.transitions,
                                      JSG_BASELINE_TRANSITIONS));
    if (seconds < JSG_BASELINE_SOCKET_SECONDS)
        lacking.push_back(
            fmt::format("{} of {} socket-seconds", seconds, JSG_BASELINE_SOCKET_SECONDS));
    if (const std::uint64_t seen = episodes(pending_baseline, step_s); seen < JSG_BASELINE_EPISODES)
        lacking.push_back(fmt::format("{} of {} episodes (a connection in a phase)", seen,
                                      JSG_BASELINE_EPISODES));
    return fmt::format("{}", fmt::join(lacking, ", "));
}

std::string warnings_text(std::uint32_t warnings) {
    std::vector<std::string> reasons;
    if (warnings & JSG_WARN_OLD_AND_STALLED)
        reasons.push_back(fmt::format(
            "most connections that were not idle made no progress for {} s or longer", JSG_OLD_S));
    if (warnings & JSG_WARN_QUEUE_FULL) reasons.push_back("its accept queue was full");
    return fmt::format("{}", fmt::join(reasons, ", and "));
}

std::string learned_thresholds_text(const jsg_service& service) {
    return fmt::format("threshold {} bits for occupancy, {} bits for transitions",
                       small_bits_text(service.threshold_nanobits[JSG_OCCUPANCY]),
                       small_bits_text(service.threshold_nanobits[JSG_TRANSITIONS]));
}

std::string learning_bar(std::uint32_t done_s, std::uint32_t total_s, std::size_t width) {
    const std::uint32_t done = std::min(done_s, total_s);
    return progress_bar("learning", done, total_s, fmt::format("{}/{} s", done, total_s), width);
}

}  // namespace jsguard
