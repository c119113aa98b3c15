// SPDX-License-Identifier: BSD-2-Clause
// Draws full screens on the terminal at stdout, with curses.
#include "cli/terminal.hpp"

#define NCURSES_NOMACROS 1
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <langinfo.h>
#include <termcap.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "common/error.hpp"

namespace jsguard {
namespace {

constexpr short default_colour = -1;  // the terminal's own colour

struct Appearance {
    short foreground;
    attr_t attributes;
};

// The index is a Style.
constexpr std::array<Appearance, styles> appearances = {{{default_colour, A_NORMAL},
                                                         {default_colour, A_DIM},
                                                         {default_colour, A_BOLD},
                                                         {COLOR_GREEN, A_NORMAL},
                                                         {COLOR_CYAN, A_BOLD},
                                                         {COLOR_YELLOW, A_BOLD},
                                                         {COLOR_RED, A_BOLD},
                                                         {COLOR_RED, A_BOLD | A_REVERSE},
                                                         {default_colour, A_REVERSE}}};

short pair_of(std::size_t style) { return static_cast<short>(style + 1); }

void begin_colours() {
    if (!wants_colour(STDOUT_FILENO) || !has_colors() || start_color() == ERR ||
        use_default_colors() == ERR)
        return;
    for (std::size_t style = 0; style < appearances.size(); ++style)
        init_pair(pair_of(style), appearances[style].foreground, default_colour);
}

Key key_of(int code) {
    switch (code) {
        case 'q':
        case 'Q':
            return Key::quit;
        case 'k':
        case KEY_UP:
            return Key::up;
        case 'j':
        case KEY_DOWN:
            return Key::down;
        case KEY_PPAGE:
            return Key::page_up;
        case KEY_NPAGE:
            return Key::page_down;
        case KEY_HOME:
            return Key::first;
        case KEY_END:
            return Key::last;
        case 'p':
        case ' ':
            return Key::pause;
        case KEY_RESIZE:
            return Key::resize;
        default:
            return Key::other;
    }
}

}  // namespace

bool is_drawable_terminal() {
    const char* type = std::getenv("TERM");
    // The termcap entry "cm" moves the cursor.
    return isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && type && *type &&
           std::strcmp(type, "dumb") != 0 && tgetent(nullptr, type) == 1 &&
           tgetstr("cm", nullptr) != nullptr;
}

Terminal::Terminal() {
    // Only the character set: the format of numbers must not depend on the locale.
    std::setlocale(LC_CTYPE, "");
    unicode_ = std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    screen_ = newterm(nullptr, stdout, stdin);
    if (!screen_)
        throw Error(ExitCode::runtime,
                    "cannot draw on the terminal; use --plain for lines of text");
    begin_colours();
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
}

Terminal::~Terminal() {
    endwin();
    delscreen(static_cast<SCREEN*>(screen_));
}

std::size_t Terminal::width() const {
    return static_cast<std::size_t>(std::max(1, getmaxx(stdscr)));
}
std::size_t Terminal::height() const {
    return static_cast<std::size_t>(std::max(1, getmaxy(stdscr)));
}

void Terminal::draw(const std::vector<Line>& lines) {
    erase();
    const std::size_t rows = std::min(lines.size(), height());
    for (std::size_t row = 0; row < rows; ++row) {
        move(static_cast<int>(row), 0);
        for (const Piece& piece : lines[row]) {
            const auto style = static_cast<std::size_t>(piece.style);
            attr_set(appearances[style].attributes, pair_of(style), nullptr);
            addstr(piece.text.c_str());
        }
    }
    attr_set(A_NORMAL, 0, nullptr);
    refresh();
}

std::optional<Key> Terminal::wait_for_key(std::chrono::milliseconds max_wait) {
    timeout(static_cast<int>(max_wait.count()));
    const int code = getch();
    if (code != ERR) return key_of(code);
    // After the terminal has gone, every wait would end at once.
    if (!isatty(STDIN_FILENO)) return Key::quit;
    return {};
}

}  // namespace jsguard
