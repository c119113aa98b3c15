// SPDX-License-Identifier: BSD-2-Clause
// A number with the right form of its noun.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace jsguard {

// "1 window", "2 windows"
inline std::string counted(std::uint64_t count, std::string_view one, std::string_view many) {
    return fmt::format("{} {}", count, count == 1 ? one : many);
}

}  // namespace jsguard
