// SPDX-License-Identifier: BSD-2-Clause
// A progress bar in one line of a terminal.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace jsguard {

// Erases the current line of a terminal.
constexpr std::string_view wipe_line = "\r\033[K";

// "learning [#####.....] 30/60 s", at most width characters. If no bar fits, only the texts. before
// and after: the texts left and right of the bar.
std::string progress_bar(std::string_view before, std::uint64_t done, std::uint64_t total,
                         std::string_view after, std::size_t width);

// The width of the terminal on stderr, in characters; 80 if it is unknown.
std::size_t terminal_width();

// A progress bar on stderr, if stderr is a terminal. The destructor erases it.
class TerminalBar {
  public:
    explicit TerminalBar(std::string_view before);
    ~TerminalBar();
    TerminalBar(const TerminalBar&) = delete;
    TerminalBar& operator=(const TerminalBar&) = delete;

    // Draws the bar, but at most ten times a second. May be called more often.
    void show(std::uint64_t done, std::uint64_t total);
    // Erases the bar. Call it before other output.
    void hide();

  private:
    std::string before_;
    bool terminal_;
    bool shown_ = false;
    std::chrono::steady_clock::time_point next_;
};

}  // namespace jsguard
