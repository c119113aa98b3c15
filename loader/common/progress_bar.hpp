// SPDX-License-Identifier: BSD-2-Clause
// How far something is, as a bar in one line of a terminal.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace jsguard {

// Takes away what is in the line of a terminal.
constexpr std::string_view wipe_line = "\r\033[K";

// "learning [#####.....] 30/60 s", of width characters or fewer; no bar where none fits. before and
// after: the text on its left and on its right.
std::string progress_bar(std::string_view before, std::uint64_t done, std::uint64_t total,
                         std::string_view after, std::size_t width);

// Characters in a line of the terminal that stderr is.
std::size_t terminal_width();

// Draws a bar on stderr if that is a terminal, and takes it away at the end of its life.
class TerminalBar {
  public:
    explicit TerminalBar(std::string_view before);
    ~TerminalBar();
    TerminalBar(const TerminalBar&) = delete;
    TerminalBar& operator=(const TerminalBar&) = delete;

    // To be called as often as one likes: it draws ten times a second at most.
    void show(std::uint64_t done, std::uint64_t total);
    // Takes the bar away, before anything else is written.
    void hide();

  private:
    std::string before_;
    bool terminal_;
    bool shown_ = false;
    std::chrono::steady_clock::time_point next_;
};

}  // namespace jsguard
