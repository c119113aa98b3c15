// SPDX-License-Identifier: BSD-2-Clause
// Strict parsing of a whole number: digits only, within a range.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace jsguard {

// None if the text is not a whole number from min to max.
inline std::optional<std::uint32_t> whole_number(std::string_view text, std::uint32_t min,
                                                 std::uint32_t max) {
    std::uint32_t number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stop != end || number < min || number > max) return {};
    return number;
}

}  // namespace jsguard
