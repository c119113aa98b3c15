// SPDX-License-Identifier: BSD-2-Clause
// Strict reading of a whole number: digits from the first character to the last, in a range.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace jsguard {

inline std::optional<std::uint32_t> whole_number(std::string_view text, std::uint32_t least,
                                                 std::uint32_t most) {
    std::uint32_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stop != end || number < least || number > most) return {};
    return number;
}

}  // namespace jsguard
