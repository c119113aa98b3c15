// SPDX-License-Identifier: BSD-2-Clause
// Checks whether a page closes its elements in the right order, and finds texts in it.
#pragma once

#include <cctype>
#include <string>
#include <string_view>
#include <vector>

namespace jsguard {

// "" for a sound page, else its first error. The check is stricter than HTML: every element must be
// closed, all attributes must be quoted, and text must not contain a bare '&' or '<'.
inline std::string fault_of(std::string_view page) {
    std::vector<std::string_view> open;
    const auto fault = [&](std::string_view what, std::size_t at) {
        return std::string(what) + ": " + std::string(page.substr(at, 60));
    };
    for (std::size_t at = 0; at < page.size();) {
        if (page[at] == '&') {
            const std::size_t end = page.find(';', at);
            if (end == page.npos || end - at > 6) return fault("a bare &", at);
            at = end + 1;
            continue;
        }
        if (page[at] != '<') {
            at++;
            continue;
        }
        const std::size_t tag = at++;
        if (page.substr(at, 8) == "!DOCTYPE") {
            at = page.find('>', at) + 1;
            continue;
        }
        const bool closing = page[at] == '/';
        if (closing) at++;
        const std::size_t begin = at;
        while (at < page.size() && (std::isalnum(static_cast<unsigned char>(page[at])))) at++;
        const std::string_view name = page.substr(begin, at - begin);
        if (name.empty()) return fault("a bare <", tag);
        bool quoted = false;
        for (; at < page.size() && (quoted || page[at] != '>'); at++) {
            if (page[at] == '"') quoted = !quoted;
            if (page[at] == '<') return fault("a < in a tag", tag);
        }
        if (at >= page.size()) return fault("a tag without end", tag);
        const bool empty = page[at - 1] == '/';
        at++;
        if (closing) {
            if (open.empty() || open.back() != name) return fault("closes another", tag);
            open.pop_back();
        } else if (!empty) {
            open.push_back(name);
            if (name == "style") {
                at = page.find("</style>", at);
                if (at == page.npos) return fault("a style sheet without end", tag);
            }
        }
    }
    return open.empty() ? "" : "not closed: " + std::string(open.back());
}

inline std::size_t count_of(std::string_view page, std::string_view piece) {
    std::size_t count = 0;
    for (std::size_t at = page.find(piece); at != page.npos; at = page.find(piece, at + 1)) count++;
    return count;
}

inline bool has(std::string_view page, std::string_view piece) {
    return page.find(piece) != page.npos;
}

}  // namespace jsguard
