// SPDX-License-Identifier: BSD-2-Clause
// Reads the head of an HTTP/1.1 request or answer.
#pragma once

#include <strings.h>

#include <cstddef>
#include <string_view>

// The value of a header field, or empty. The lines of the head end in CR LF.
inline std::string_view header(std::string_view head, std::string_view name) {
    for (std::size_t at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at)) {
        at += 2;
        const std::string_view line = head.substr(at, head.find("\r\n", at) - at);
        if (line.size() <= name.size() || line[name.size()] != ':' ||
            strncasecmp(line.data(), name.data(), name.size()) != 0)
            continue;
        const std::size_t value = line.find_first_not_of(' ', name.size() + 1);
        return value == line.npos ? std::string_view() : line.substr(value);
    }
    return {};
}
