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

// What a piece of text is; how that looks is the terminal's matter. No style says anything that the
// text does not say too.
enum class Style { plain, faint, heading, figure, usual, suspect, alarm, banner, chosen };
constexpr std::size_t styles = 9;

struct Piece {
    std::string text;
    Style style = Style::plain;
};
using Line = std::vector<Piece>;

// Of text in which each character takes one column, as all that is drawn here does.
std::size_t columns(std::string_view text);
std::size_t columns(const Line& line);

// Text in so many columns: cut, or filled up with spaces, which stand in front if it is right.
std::string padded(std::string_view text, std::size_t width, bool right = false);
// The line's first columns; more, of one column, ends a line that has been cut.
Line cut(const Line& line, std::size_t width, std::string_view more);
Line operator+(Line left, const Line& right);

// The characters that pictures are drawn with: those of Unicode, or ASCII alone.
struct Glyphs {
    std::string_view full;                     // a bar's
    std::span<const std::string_view> parts;   // of a bar's last column, least first
    std::string_view track;                    // where a bar has not come
    std::string_view mark;                     // a threshold, or a baseline's share
    std::span<const std::string_view> levels;  // of a sparkline's column, least first
    std::string_view unjudged;                 // a sparkline's column without a value
    std::string_view more;                     // ends what has been cut
};
const Glyphs& glyphs(bool unicode);

// A bar of so many columns for value in 0..1, with a mark at mark in 0..1 if there is one.
Line bar(double value, std::optional<double> mark, std::size_t width, Style style,
         const Glyphs& glyphs);

struct Spark {
    std::optional<double> value;  // in 0..1; none: nothing was judged
    Style style = Style::plain;
};

// So many lines of a column for each spark, from the bottom up to 1.
std::vector<Line> sparkline(std::span<const Spark> sparks, std::size_t rows, const Glyphs& glyphs);

// Whether output there may be coloured: a terminal that knows colours, whose user has not asked for
// none (https://no-color.org).
bool wants_colour(int fd);
// With the control sequences of a terminal.
std::string in_red(std::string_view text);

}  // namespace jsguard
