// SPDX-License-Identifier: BSD-2-Clause
// Functions that the tests of texts share.
#pragma once

#include <cstdint>
#include <string>

#include "kernel/jsguard.h"

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

inline std::uint32_t occupancy(jsg_phase phase, std::uint32_t age) {
    return phase * JSG_AGES + age;
}
