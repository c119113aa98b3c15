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

// Four significant digits, or a whole number from 1000 on: "0.0412", "1,234".
std::string value_text(double value);

// A coordinate of the view box as an SVG attribute.
std::string coordinate(double value);

// The smallest step of 1, 2 or 5 times a power of ten that fits at most max_steps times into range.
// The second function does the same for a time: its steps are whole seconds, minutes, hours or
// days. Domain: range > 0, max_steps > 0.
double tick_step(double range, int max_steps);
std::uint64_t time_tick_step(std::uint64_t range_ms, int max_steps);

struct ChartLine {
    std::string_view name;
    std::string_view style;  // CSS class of the line
    const Timeline* values = nullptr;
    bool scaled = true;  // false: the line may be cut off at the top
};

// A span of time that is shaded behind the lines.
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
    std::optional<double> max_value;  // the largest possible value
    std::vector<ChartLine> lines;
    std::vector<ChartSpan> spans;
};

// The sample of a line or a shade before a name in a legend.
void write_swatch(Html& html, std::string_view style, bool line);

// Writes a figure: title, summary, legend, chart, and a table of the extremes of each line.
void write_chart(Html& html, const Chart& chart);

}  // namespace jsguard
