// SPDX-License-Identifier: BSD-2-Clause
// The frame of an HTML page, and tables.
#include <fmt/format.h>

#include "offline/report/sections.hpp"
#include "offline/report/svg_chart.hpp"
#include "style_sheet.hpp"

namespace jsguard {
namespace {

// Converts a digest of 64 hexadecimal digits to base 64 for a security policy: 43 digits and "=".
std::string base64_of_sha256(std::string_view digits) {
    constexpr std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const auto nibble = [&](std::size_t i) -> unsigned {
        if (i >= digits.size()) return 0;
        const char c = digits[i];
        return static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10);
    };
    std::string encoded;
    // Three hexadecimal digits make two digits of base 64.
    for (std::size_t i = 0; i < digits.size(); i += 3) {
        const unsigned bits = nibble(i) << 8 | nibble(i + 1) << 4 | nibble(i + 2);
        encoded += alphabet[bits >> 6];
        encoded += alphabet[bits & 63];
    }
    encoded.back() = '=';  // the last group has only one hexadecimal digit
    return encoded;
}

void write_head(Html& html, const std::string& title) {
    const auto head = html.open("head");
    html.empty("meta", {{"charset", "utf-8"}});
    // The page may load nothing and run nothing. The only allowed style sheet has this digest.
    html.empty("meta", {{"http-equiv", "Content-Security-Policy"},
                        {"content", fmt::format("default-src 'none'; style-src 'sha256-{}'; "
                                                "base-uri 'none'; form-action 'none'",
                                                base64_of_sha256(style_sheet_sha256))}});
    html.empty("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}});
    html.empty("meta", {{"name", "color-scheme"}, {"content", "light dark"}});
    html.empty("meta", {{"name", "generator"}, {"content", "jsguard " JSGUARD_VERSION}});
    html.leaf("title", title);
    const auto style = html.open("style");
    html.raw(style_sheet);
}

}  // namespace

void write_table(Html& html, std::string_view caption, std::initializer_list<std::string> columns,
                 const std::vector<std::vector<std::string>>& rows) {
    const auto box = html.open("div", {{"class", "scroll"},
                                       {"role", "group"},
                                       {"tabindex", "0"},
                                       {"aria-label", std::string(caption)}});
    const auto table = html.open("table");
    html.leaf("caption", caption);
    {
        const auto head = html.open("thead");
        const auto row = html.open("tr");
        for (const std::string& column : columns) html.leaf("th", column, {{"scope", "col"}});
    }
    const auto body = html.open("tbody");
    for (const std::vector<std::string>& cells : rows) {
        const auto row = html.open("tr");
        for (std::size_t i = 0; i < cells.size(); i++) {
            if (i == 0)
                html.leaf("th", cells[i], {{"scope", "row"}});
            else
                html.leaf("td", cells[i]);
        }
    }
}

std::string page_around(const std::string& title, const std::string& subtitle,
                        const std::function<void(Html&)>& body) {
    Html html;
    html.raw("<!DOCTYPE html>\n");
    {
        const auto root = html.open("html", {{"lang", "en"}});
        write_head(html, title);
        const auto whole = html.open("body");
        {
            const auto header = html.open("header");
            html.leaf("h1", title);
            html.leaf("p", subtitle, {{"class", "subtitle"}});
        }
        {
            const auto main = html.open("main");
            body(html);
        }
        html.leaf("footer", "Made by jsguard " JSGUARD_VERSION "; all times are UTC.");
    }
    return html.page();
}

}  // namespace jsguard
