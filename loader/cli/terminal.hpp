// SPDX-License-Identifier: BSD-2-Clause
// Draws full screens on the terminal at stdout, with curses.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

#include "cli/styled_text.hpp"

namespace jsguard {

enum class Key { quit, up, down, page_up, page_down, first, last, pause, resize, other };

// Whether stdout and stdin are a terminal that can move its cursor.
bool is_drawable_terminal();

// Controls the screen while it exists. The destructor restores the screen, also after an exception.
// curses handles SIGTSTP and SIGCONT. The caller handles the signals that end the program.
class Terminal {
  public:
    // Throws Error(runtime). Uses no colours if NO_COLOR is set.
    Terminal();
    ~Terminal();
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    std::size_t width() const;
    std::size_t height() const;
    // Whether the character set of the locale is UTF-8.
    bool is_unicode() const { return unicode_; }

    void draw(const std::vector<Line>& lines);
    // None if no key was pressed. A signal may end the wait early.
    std::optional<Key> wait_for_key(std::chrono::milliseconds max_wait);

  private:
    void* screen_;
    bool unicode_;
};

}  // namespace jsguard
