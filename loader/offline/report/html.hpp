// SPDX-License-Identifier: BSD-2-Clause
// Writes an HTML page element by element. All text is escaped, and every open element is closed.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace jsguard {

// The result is safe as text and in quoted attributes, in HTML and in SVG inside HTML. Control
// characters, which HTML forbids, and bytes that are not UTF-8 become U+FFFD.
std::string html_escaped(std::string_view text);

using Attributes = std::initializer_list<std::pair<std::string_view, std::string>>;

class Html {
  public:
    // An open element. The destructor closes it.
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

    // Names of elements and attributes must be literals, because they are not escaped.
    [[nodiscard]] Element open(std::string_view name, Attributes attributes = {});
    // An element that contains only text.
    void leaf(std::string_view name, std::string_view text, Attributes attributes = {});
    // An element that cannot have content: <meta>, and shapes of SVG.
    void empty(std::string_view name, Attributes attributes);
    void text(std::string_view text);
    // Trusted text that must not be escaped: the doctype and the style sheet.
    void raw(std::string_view text);

    const std::string& page() const { return page_; }

  private:
    void start(std::string_view name, Attributes attributes);
    std::string page_;
};

}  // namespace jsguard
