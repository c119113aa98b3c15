// SPDX-License-Identifier: BSD-2-Clause
// Whole numbers of billionths, thousandths and so on, written as exact decimals.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

namespace jsguard {

// A number that is kept as whole parts, 10^decimals of them to one.
struct Decimal {
    std::uint64_t parts;
    int decimals = 0;
};

constexpr int milli = 3, micro = 6, nano = 9;  // decimals

// Without trailing zeros, whatever the locale.
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
