// SPDX-License-Identifier: BSD-2-Clause
// Lines of styled text for a terminal, and the bars and sparklines in them.
#include "cli/styled_text.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

namespace jsguard {
namespace {

constexpr std::array<std::string_view, 7> eighths_right = {"▏", "▎", "▍", "▌", "▋", "▊", "▉"};
constexpr std::array<std::string_view, 8> eighths_up = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::array<std::string_view, 8> ascii_up = {"_", ".", "-", "=", "+", "*", "%", "#"};

constexpr Glyphs unicode_glyphs = {"█", eighths_right, "·", "┃", eighths_up, "·", "…"};
constexpr Glyphs ascii_glyphs = {"#", {}, ".", "|", ascii_up, "?", ">"};

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

// The number of bytes that the first characters of the text take.
std::size_t bytes_of(std::string_view text, std::size_t characters) {
    std::size_t at = 0;
    for (; at < text.size(); ++at) {
        if (begins_character(text[at]) && characters-- == 0) break;
    }
    return at;
}

double share(double value) { return std::isfinite(value) ? std::clamp(value, 0.0, 1.0) : 0.0; }

// Appends to the last piece if it has the same style.
void add(Line& line, std::string_view text, Style style) {
    if (line.empty() || line.back().style != style) line.push_back({"", style});
    line.back().text += text;
}

// The character that a bar shows in one column. filled: length of the bar in parts of a column.
std::string_view bar_column(std::size_t filled, std::size_t column, const Glyphs& glyphs) {
    const std::size_t whole = glyphs.parts.size() + 1;
    const std::size_t here = filled > column * whole ? filled - column * whole : 0;
    if (here >= whole) return glyphs.full;
    return here ? glyphs.parts[here - 1] : glyphs.track;
}

}  // namespace

std::size_t columns(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::size_t columns(const Line& line) {
    std::size_t sum = 0;
    for (const Piece& piece : line) sum += columns(piece.text);
    return sum;
}

std::string padded(std::string_view text, std::size_t width, bool right) {
    std::string shown(text.substr(0, bytes_of(text, width)));
    const std::string spaces(width - columns(shown), ' ');
    return right ? spaces + shown : shown + spaces;
}

Line cut(const Line& line, std::size_t width, std::string_view more) {
    if (columns(line) <= width) return line;
    if (width == 0) return {};
    Line shown;
    std::size_t room = width - 1;
    for (const Piece& piece : line) {
        const std::string text = piece.text.substr(0, bytes_of(piece.text, room));
        room -= columns(text);
        shown.push_back({text, piece.style});
        if (room == 0) break;
    }
    shown.back().text += more;
    return shown;
}

Line operator+(Line left, const Line& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

const Glyphs& glyphs(bool unicode) { return unicode ? unicode_glyphs : ascii_glyphs; }

Line bar(double value, std::optional<double> mark, std::size_t width, Style style,
         const Glyphs& glyphs) {
    const auto whole = static_cast<double>(glyphs.parts.size() + 1);
    auto filled =
        static_cast<std::size_t>(std::lround(share(value) * static_cast<double>(width) * whole));
    // A value above 0 is always visible.
    if (value > 0 && filled == 0) filled = 1;
    const std::size_t marked =
        mark ? std::min(static_cast<std::size_t>(share(*mark) * static_cast<double>(width)),
                        width ? width - 1 : 0)
             : width;
    Line line;
    for (std::size_t column = 0; column < width; ++column) {
        const std::string_view shown = bar_column(filled, column, glyphs);
        if (column == marked)
            add(line, glyphs.mark, Style::usual);
        else
            add(line, shown, shown == glyphs.track ? Style::faint : style);
    }
    return line;
}

std::vector<Line> sparkline(std::span<const Spark> sparks, std::size_t rows, const Glyphs& glyphs) {
    std::vector<Line> lines(rows);
    const std::size_t steps = glyphs.levels.size();
    for (const Spark& spark : sparks) {
        // A value of 0 is drawn at the lowest level, so it differs from no value.
        const auto height = std::max<long>(
            1, std::lround(share(spark.value.value_or(0)) * static_cast<double>(steps * rows)));
        for (std::size_t row = 0; row < rows; ++row) {
            const long here = height - static_cast<long>((rows - 1 - row) * steps);
            std::string_view shown = " ";
            if (!spark.value)
                shown = row + 1 == rows ? glyphs.unjudged : " ";
            else if (here > 0)
                shown =
                    glyphs.levels[std::min<std::size_t>(static_cast<std::size_t>(here), steps) - 1];
            add(lines[row], shown, spark.value ? spark.style : Style::faint);
        }
    }
    return lines;
}

bool wants_colour(int fd) {
    const char* refused = std::getenv("NO_COLOR");
    if (refused && *refused) return false;
    const char* terminal = std::getenv("TERM");
    return isatty(fd) == 1 && terminal && std::string_view(terminal) != "dumb";
}

std::string in_red(std::string_view text) { return "\033[1;31m" + std::string(text) + "\033[0m"; }

}  // namespace jsguard
