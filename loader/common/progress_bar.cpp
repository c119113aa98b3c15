// SPDX-License-Identifier: BSD-2-Clause
// A progress bar in one line of a terminal.
#include "common/progress_bar.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "common/print.hpp"

namespace jsguard {
namespace {

constexpr std::size_t default_width = 80;
constexpr auto draw_interval = std::chrono::milliseconds(100);

}  // namespace

std::string progress_bar(std::string_view before, std::uint64_t done, std::uint64_t total,
                         std::string_view after, std::size_t width) {
    constexpr std::size_t min_bar = 5;
    constexpr std::size_t max_bar = 40;
    const std::size_t around = before.size() + after.size() + std::string_view(" [] ").size();
    if (width < around + min_bar) return fmt::format("{} {}", before, after).substr(0, width);
    const std::size_t bar = std::min(width - around, max_bar);
    const std::size_t filled = total == 0 ? bar : std::min(done, total) * bar / total;
    return fmt::format("{} [{:#<{}}{:.<{}}] {}", before, "", filled, "", bar - filled, after);
}

std::size_t terminal_width() {
    winsize size{};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return default_width;
    return size.ws_col;
}

TerminalBar::TerminalBar(std::string_view before)
    : before_(before), terminal_(isatty(STDERR_FILENO) == 1) {}

TerminalBar::~TerminalBar() { hide(); }

void TerminalBar::show(std::uint64_t done, std::uint64_t total) {
    if (!terminal_) return;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + draw_interval;
    const std::uint64_t percent = total == 0 ? 100 : std::min(done, total) * 100 / total;
    const std::string bar =
        progress_bar(before_, done, total, fmt::format("{} %", percent), terminal_width() - 1);
    log_text(fmt::format("{}{}", wipe_line, bar));
    shown_ = true;
}

void TerminalBar::hide() {
    if (shown_) log_text(wipe_line);
    shown_ = false;
}

}  // namespace jsguard
