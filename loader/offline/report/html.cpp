// SPDX-License-Identifier: BSD-2-Clause
// Writes elements and attributes, and escapes text.
#include "offline/report/html.hpp"

#include <cstddef>

namespace jsguard {
namespace {

// The length in bytes of the first character of text; 0 if it is not UTF-8. text must not be empty.
// The bounds of the second byte exclude overlong forms, surrogates, and characters above U+10FFFF
// (RFC 3629, section 4).
std::size_t utf8_length(std::string_view text) {
    const auto byte = [&](std::size_t i) -> unsigned {
        return static_cast<unsigned char>(text[i]);
    };
    const unsigned lead = byte(0);
    if (lead < 0x80) return 1;
    if (lead < 0xc2 || lead > 0xf4) return 0;
    const std::size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (text.size() < length) return 0;
    const unsigned min_second = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned max_second = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (byte(1) < min_second || byte(1) > max_second) return 0;
    for (std::size_t i = 2; i < length; i++) {
        if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
    }
    return length;
}

}  // namespace

// This is own code, because only five characters need escaping. The packaged libraries that escape
// HTML bring a parser or a template language.
std::string html_escaped(std::string_view text) {
    constexpr std::string_view replacement = "\xef\xbf\xbd";  // U+FFFD
    std::string escaped;
    escaped.reserve(text.size());
    for (std::size_t length; !text.empty(); text.remove_prefix(length)) {
        const std::size_t valid = utf8_length(text);
        length = valid == 0 ? 1 : valid;
        if (length > 1) {
            escaped += text.substr(0, length);
            continue;
        }
        const char c = text.front();
        switch (c) {
            case '&':
                escaped += "&amp;";
                break;
            case '<':
                escaped += "&lt;";
                break;
            case '>':
                escaped += "&gt;";
                break;
            case '"':
                escaped += "&quot;";
                break;
            case '\'':
                escaped += "&#39;";
                break;
            default:
                if (valid == 0 || (static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t') ||
                    c == '\x7f')
                    escaped += replacement;
                else
                    escaped += c;
        }
    }
    return escaped;
}

Html::Element::~Element() {
    html_.page_ += "</";
    html_.page_ += name_;
    html_.page_ += ">\n";
}

void Html::start(std::string_view name, Attributes attributes) {
    page_ += '<';
    page_ += name;
    for (const auto& [attribute, value] : attributes) {
        page_ += ' ';
        page_ += attribute;
        page_ += "=\"";
        page_ += html_escaped(value);
        page_ += '"';
    }
}

Html::Element Html::open(std::string_view name, Attributes attributes) {
    start(name, attributes);
    page_ += '>';
    return Element(*this, name);
}

void Html::leaf(std::string_view name, std::string_view content, Attributes attributes) {
    const Element element = open(name, attributes);
    text(content);
}

void Html::empty(std::string_view name, Attributes attributes) {
    start(name, attributes);
    page_ += "/>\n";
}

void Html::text(std::string_view text) { page_ += html_escaped(text); }

void Html::raw(std::string_view text) { page_ += text; }

}  // namespace jsguard
