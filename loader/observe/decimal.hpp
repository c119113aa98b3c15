// SPDX-License-Identifier: BSD-2-Clause
// Exact decimal text of a number that is kept as a whole number of thousandths, billionths and so
// on.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace jsguard {

// The number parts / 10^decimals.
struct Decimal {
    std::uint64_t parts;
    int decimals = 0;
};

constexpr int milli = 3, micro = 6, nano = 9;  // values of Decimal::decimals

// Has no trailing zeros, and does not depend on the locale.
inline std::string text_of(const Decimal& number) {
    std::uint64_t one = 1;
    for (int i = 0; i < number.decimals; ++i) one *= 10;
    std::string text = std::to_string(number.parts / one);
    if (number.parts % one == 0) return text;
    text += fmt::format(".{:0{}}", number.parts % one, number.decimals);
    text.erase(text.find_last_not_of('0') + 1);
    return text;
}

}  // namespace jsguard
