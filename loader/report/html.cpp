// SPDX-License-Identifier: BSD-2-Clause
// Elements, attributes and escaping.
#include "html.hpp"

namespace jsguard {

std::string html_escaped(std::string_view text) {
    std::string escaped;
    escaped.reserve(text.size());
    for (const char c : text) {
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
                if ((static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t') || c == '\x7f')
                    escaped += "\xef\xbf\xbd";
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
