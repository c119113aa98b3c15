// SPDX-License-Identifier: BSD-2-Clause
// Whether output may be coloured, and the little colour there is.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

namespace jsguard {

// A terminal that knows colours, whose user has not asked for none (https://no-color.org).
inline bool wants_colour(int fd) {
    const char* refused = std::getenv("NO_COLOR");
    if (refused && *refused) return false;
    const char* terminal = std::getenv("TERM");
    return isatty(fd) == 1 && terminal && std::string_view(terminal) != "dumb";
}

inline std::string in_red(std::string_view text) {
    return "\033[1;31m" + std::string(text) + "\033[0m";
}

}  // namespace jsguard
