// SPDX-License-Identifier: BSD-2-Clause
// The baselines in force of a detector, whichever way its maps are read.
#pragma once

#include <vector>

#include "common/baseline_file.hpp"

namespace jsguard {

// services: by place, from place 1 on; baseline_of: gives that of a place.
template <typename BaselineOf>
Baselines learned_baselines(const std::vector<jsg_service>& services, BaselineOf baseline_of) {
    Baselines learned;
    for (std::uint32_t place = 1; place <= services.size(); ++place) {
        const jsg_service& service = services[place - 1];
        if (service.port && service.mode == JSG_GUARDING)
            learned[static_cast<std::uint16_t>(service.port)] = baseline_of(place);
    }
    return learned;
}

}  // namespace jsguard
