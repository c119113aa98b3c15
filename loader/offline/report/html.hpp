// SPDX-License-Identifier: BSD-2-Clause
// A page that is written element by element: all text is escaped, and what is opened is closed.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace jsguard {

// Safe as text and in quoted attributes, of HTML and of SVG inside; control characters, which HTML
// forbids, and bytes that are not UTF-8 become U+FFFD.
std::string html_escaped(std::string_view text);

using Attributes = std::initializer_list<std::pair<std::string_view, std::string>>;

class Html {
  public:
    // Closes its element at the end of its scope.
    class Element {
      public:
        Element(const Element&) = delete;
        Element& operator=(const Element&) = delete;
        ~Element();

      private:
        friend class Html;
        Element(Html& html, std::string_view name) : html_(html), name_(name) {}
        Html& html_;
        std::string_view name_;
    };

    // Names of elements and attributes are literals of this program, and never escaped.
    [[nodiscard]] Element open(std::string_view name, Attributes attributes = {});
    // An element with nothing but text in it.
    void leaf(std::string_view name, std::string_view text, Attributes attributes = {});
    // One that can have nothing in it: <meta>, and shapes of SVG.
    void empty(std::string_view name, Attributes attributes);
    void text(std::string_view text);
    // Text of this program that is no text to HTML: the doctype and the style sheet.
    void raw(std::string_view text);

    const std::string& page() const { return page_; }

  private:
    void start(std::string_view name, Attributes attributes);
    std::string page_;
};

}  // namespace jsguard
