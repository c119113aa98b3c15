// SPDX-License-Identifier: BSD-2-Clause
// Chooses the service that jsguard watch shows in full.
#include "cli/watch_choice.hpp"

#include <algorithm>

namespace jsguard {
namespace {

jsg_alert_state worst_state(const jsg_service& service) {
    return std::max(service.alerts[JSG_TRANSITIONS].state, service.alerts[JSG_OCCUPANCY].state);
}

}  // namespace

std::vector<const ObservedService*> most_alarming_first(const Observation& seen) {
    std::vector<const ObservedService*> ordered;
    for (const ObservedService& service : seen.services) ordered.push_back(&service);
    std::stable_sort(ordered.begin(), ordered.end(), [](const auto* a, const auto* b) {
        return worst_state(a->service) > worst_state(b->service);
    });
    return ordered;
}

void WatchChoice::move(const Observation& seen, int rows) {
    const auto ordered = most_alarming_first(seen);
    if (fixed_ || ordered.empty() || rows == 0) return;
    const auto at = std::find_if(ordered.begin(), ordered.end(),
                                 [&](const auto* one) { return one->service.port == port_; });
    const auto here = at == ordered.end() ? 0 : at - ordered.begin();
    const auto last = static_cast<std::ptrdiff_t>(ordered.size()) - 1;
    const auto there = std::clamp<std::ptrdiff_t>(here + rows, 0, last);
    port_ = ordered[static_cast<std::size_t>(there)]->service.port;
    by_user_ = true;
}

const ObservedService* WatchChoice::follow(const Observation& seen) {
    const auto ordered = most_alarming_first(seen);
    const auto at = std::find_if(ordered.begin(), ordered.end(),
                                 [&](const auto* one) { return one->service.port == port_; });
    const bool there = at != ordered.end();
    if (fixed_) return there ? *at : nullptr;
    if (!there) by_user_ = false;
    const bool keep = there && (by_user_ || jsg_alert_is_up(&(*at)->service) ||
                                !jsg_alert_is_up(&ordered.front()->service));
    if (keep) return *at;
    port_ = ordered.empty() ? 0 : ordered.front()->service.port;
    return ordered.empty() ? nullptr : ordered.front();
}

}  // namespace jsguard
