// SPDX-License-Identifier: BSD-2-Clause
// Whether a place's service is still the one that was seen there before.
#pragma once

#include "kernel/jsguard.h"

namespace jsguard {

// A service that took the place of another begins its sequence anew.
inline bool is_another(const jsg_service& now, const jsg_service& before) {
    return now.port != before.port || now.sequence < before.sequence ||
           (before.started_ns && now.started_ns != before.started_ns);
}

}  // namespace jsguard
