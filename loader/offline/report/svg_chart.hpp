// SPDX-License-Identifier: BSD-2-Clause
// Charts of values over time, as SVG inside the page.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "offline/report/html.hpp"
#include "offline/report/timeline.hpp"

namespace jsguard {

// Four digits that mean something: "1,234", "0.0412"
std::string value_text(double value);

// A number of units of the view box, as attributes of SVG have it.
std::string coordinate(double value);

// The smallest step of 1, 2 or 5 times a power of ten that is at most `most` times in range, and
// the like in milliseconds in the units of clocks and calendars. Domain: range > 0, most > 0.
double tick_step(double range, int most);
std::uint64_t time_tick_step(std::uint64_t range_ms, int most);

struct ChartLine {
    std::string_view name;
    std::string_view style;  // class of its line in the style sheet
    const Timeline* values = nullptr;
    bool scaled = true;  // false: may leave the chart at the top
};

// A stretch of time that is shaded behind the lines.
struct ChartSpan {
    std::string_view style;
    std::uint64_t from_ms = 0;
    std::uint64_t to_ms = 0;
    std::string label;
};

struct Chart {
    std::string id;  // unique in the page
    std::string title;
    std::string unit;
    std::string summary;  // what the chart shows, in a sentence
    std::uint64_t from_ms = 0;
    std::uint64_t to_ms = 0;
    std::optional<double> most;  // that the values can be
    std::vector<ChartLine> lines;
    std::vector<ChartSpan> spans;
};

// What a legend shows before a name: a piece of the line, or of the shade.
void write_swatch(Html& html, std::string_view style, bool line);

// A figure: title, legend, chart, the summary, and a table of the lines' extremes.
void write_chart(Html& html, const Chart& chart);

}  // namespace jsguard
