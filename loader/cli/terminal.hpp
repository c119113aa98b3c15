// SPDX-License-Identifier: BSD-2-Clause
// The terminal that stdout is, taken over for a screen of our own.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include "cli/styled_text.hpp"

namespace jsguard {

enum class Key { quit, up, down, page_up, page_down, first, last, pause, resize, other };

// Whether a screen can be drawn on stdout: a terminal that can move its cursor.
bool is_drawable_terminal();

// While one lives the screen is ours; then it is as it was before, whatever happened. SIGTSTP and
// SIGCONT are dealt with; signals that end the program are the caller's matter.
class Terminal {
  public:
    // Throws Error(runtime). Colours are left out where NO_COLOR is set.
    Terminal();
    ~Terminal();
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    std::size_t width() const;
    std::size_t height() const;
    // Whether the locale's characters are those of Unicode.
    bool is_unicode() const { return unicode_; }

    void draw(const std::vector<Line>& lines);
    // None if no key was pressed in that time; a signal may end it early.
    std::optional<Key> wait_for_key(std::chrono::milliseconds most);

  private:
    void* screen_;
    bool unicode_;
};

}  // namespace jsguard
