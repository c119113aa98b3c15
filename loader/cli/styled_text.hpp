// SPDX-License-Identifier: BSD-2-Clause
// Lines of styled text for a terminal, and the bars and sparklines in them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace jsguard {

// The meaning of a piece of text. The terminal chooses the colours. A style carries no information
// that the text does not have.
enum class Style { plain, faint, heading, figure, usual, suspect, alarm, banner, chosen };
constexpr std::size_t styles = 9;

struct Piece {
    std::string text;
    Style style = Style::plain;
};
using Line = std::vector<Piece>;

// The width in columns. Every character must be one column wide.
std::size_t columns(std::string_view text);
std::size_t columns(const Line& line);

// The text in exactly width columns: cut, or filled up with spaces. right: the spaces come first.
std::string padded(std::string_view text, std::size_t width, bool right = false);
// The first columns of the line. more: the character at the end of a line that was cut.
Line cut(const Line& line, std::size_t width, std::string_view more);
Line operator+(Line left, const Line& right);

// The characters that bars and sparklines are drawn with: Unicode, or only ASCII.
struct Glyphs {
    std::string_view full;                     // a full column of a bar
    std::span<const std::string_view> parts;   // the last column of a bar, smallest first
    std::string_view track;                    // a column behind the end of a bar
    std::string_view mark;                     // a threshold, or a baseline's share
    std::span<const std::string_view> levels;  // a column of a sparkline, lowest first
    std::string_view unjudged;                 // a column of a sparkline without a value
    std::string_view more;                     // the end of a text that was cut
};
const Glyphs& glyphs(bool unicode);

// A bar of width columns. value and mark: 0 to 1.
Line bar(double value, std::optional<double> mark, std::size_t width, Style style,
         const Glyphs& glyphs);

struct Spark {
    std::optional<double> value;  // 0 to 1; none: nothing was judged
    Style style = Style::plain;
};

// A sparkline with one column for each spark, in the given number of rows. The top is the value 1.
std::vector<Line> sparkline(std::span<const Spark> sparks, std::size_t rows, const Glyphs& glyphs);

// Whether output to fd may be coloured: it is a terminal with colours, and NO_COLOR is not set
// (https://no-color.org).
bool wants_colour(int fd);
// Adds the control sequences of a terminal.
std::string in_red(std::string_view text);

}  // namespace jsguard
