// SPDX-License-Identifier: BSD-2-Clause
// Draws axes, lines, shaded spans and the legend, and writes the table of extremes.
#include "offline/report/svg_chart.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "common/clocks.hpp"
#include "common/quantity_text.hpp"

namespace jsguard {
namespace {

// In units of the view box. The margins have room for the large letters of small screens.
constexpr double width = 720, height = 330;
constexpr double left = 84, right = 20, top = 56, bottom = 68;
constexpr double plot_width = width - left - right, plot_height = height - top - bottom;
constexpr double label_letter_width = 14;  // upper bound
constexpr double min_span = 2;             // so that a short span is visible
constexpr int ticks_across = 5, ticks_up = 4;

struct Scale {
    std::uint64_t from_ms;
    std::uint64_t to_ms;
    double top_value;

    double x(std::uint64_t unix_ms) const {
        const double range = static_cast<double>(std::max<std::uint64_t>(to_ms - from_ms, 1));
        const double since = static_cast<double>(unix_ms) -
                             static_cast<double>(from_ms);  // negative if before from_ms
        return left + plot_width * std::clamp(since / range, 0.0, 1.0);
    }
    double y(double value) const {
        return top + plot_height * (1 - std::clamp(value / top_value, 0.0, 1.0));
    }
};

Scale scale_of(const Chart& chart) {
    double highest = 0;
    for (const ChartLine& line : chart.lines) {
        if (line.scaled && !line.values->empty())
            highest = std::max(highest, line.values->highest().value);
    }
    const double wanted = highest > 0 ? highest * 1.05 : 1;
    const double step = tick_step(wanted, ticks_up);
    double top_value = std::ceil(wanted / step) * step;
    if (chart.max_value) top_value = std::min(top_value, *chart.max_value);
    return {chart.from_ms, std::max(chart.to_ms, chart.from_ms), top_value};
}

std::string time_tick_text(std::uint64_t unix_ms, std::uint64_t step_ms) {
    const std::string text = utc_text(unix_ms);
    if (step_ms >= day_ms) return text.substr(5, 5);
    return text.substr(11, step_ms >= minute_ms ? 5 : 8);
}

void write_value_axis(Html& html, const Scale& scale, const std::string& unit) {
    const double step = tick_step(scale.top_value, ticks_up);
    for (int i = 0; i * step <= scale.top_value * (1 + 1e-9); i++) {
        const std::string y = coordinate(scale.y(i * step));
        html.empty("line", {{"class", "grid"},
                            {"x1", coordinate(left)},
                            {"x2", coordinate(left + plot_width)},
                            {"y1", y},
                            {"y2", y}});
        html.leaf("text", value_text(i * step),
                  {{"x", coordinate(left - 8)}, {"y", y}, {"class", "tick tick-left"}});
    }
    html.leaf("text", unit, {{"x", "4"}, {"y", "20"}, {"class", "axis"}});
}

void write_time_axis(Html& html, const Scale& scale) {
    const std::uint64_t range = std::max<std::uint64_t>(scale.to_ms - scale.from_ms, 1);
    const std::uint64_t step = time_tick_step(range, ticks_across);
    const double floor = top + plot_height;
    html.empty("line", {{"class", "base"},
                        {"x1", coordinate(left)},
                        {"x2", coordinate(left + plot_width)},
                        {"y1", coordinate(floor)},
                        {"y2", coordinate(floor)}});
    // The label of a tick at the edge would be cut off, so it is left out.
    const double label_half = 4 * label_letter_width;
    const std::uint64_t first = (step - scale.from_ms % step) % step;  // after the start
    std::uint64_t after = first;
    for (int tick = 0; tick <= ticks_across && after <= range; tick++, after += step) {
        const std::uint64_t at = scale.from_ms + after;
        const double x = scale.x(at);
        html.empty("line", {{"class", "base"},
                            {"x1", coordinate(x)},
                            {"x2", coordinate(x)},
                            {"y1", coordinate(floor)},
                            {"y2", coordinate(floor + 5)}});
        if (x + label_half > width || x - label_half < 0) continue;
        html.leaf("text", time_tick_text(at, step),
                  {{"x", coordinate(x)}, {"y", coordinate(floor + 24)}, {"class", "tick"}});
    }
    const std::string from = utc_text(scale.from_ms).substr(0, 10);
    const std::string to = utc_text(scale.to_ms).substr(0, 10);
    html.leaf("text", from == to ? from + " UTC" : fmt::format("{} to {} UTC", from, to),
              {{"x", coordinate(left + plot_width)},
               {"y", coordinate(height - 14)},
               {"class", "tick tick-left"}});
}

void write_spans(Html& html, const Scale& scale, const std::vector<ChartSpan>& spans) {
    double free_from = left;
    for (const ChartSpan& span : spans) {
        const double from = scale.x(span.from_ms);
        const double shown = std::max(scale.x(span.to_ms) - from, min_span);
        html.empty("rect", {{"class", fmt::format("span {}", span.style)},
                            {"x", coordinate(from)},
                            {"y", coordinate(top)},
                            {"width", coordinate(shown)},
                            {"height", coordinate(plot_height)}});
        if (span.label.empty()) continue;
        // The label stands above the middle of its span. It is left out if there is no room; the
        // table of alerts has the times too.
        const double needed = label_letter_width * static_cast<double>(span.label.size());
        const double start =
            std::clamp(from + (shown - needed) / 2, left, left + plot_width - needed);
        if (start < free_from) continue;
        html.leaf(
            "text", span.label,
            {{"x", coordinate(start + needed / 2)}, {"y", "46"}, {"class", "tick span-label"}});
        free_from = start + needed;
    }
}

void write_line(Html& html, const Scale& scale, const ChartLine& line) {
    for (const Timeline::Run& run : line.values->runs()) {
        if (run.size() == 1) {
            html.empty("circle", {{"class", fmt::format("dot {}", line.style)},
                                  {"cx", coordinate(scale.x(run[0].unix_ms))},
                                  {"cy", coordinate(scale.y(run[0].value))},
                                  {"r", "2.5"}});
            continue;
        }
        std::string points;
        for (const TimedValue& point : run)
            points +=
                coordinate(scale.x(point.unix_ms)) + ',' + coordinate(scale.y(point.value)) + ' ';
        html.empty("polyline", {{"class", fmt::format("line {}", line.style)}, {"points", points}});
    }
}

void write_legend(Html& html, const Chart& chart) {
    const auto list = html.open("ul", {{"class", "legend"}});
    for (const ChartLine& line : chart.lines) {
        const auto item = html.open("li");
        write_swatch(html, line.style, true);
        html.text(line.name);
    }
    std::set<std::string_view> styles;
    for (const ChartSpan& span : chart.spans) {
        if (!styles.insert(span.style).second) continue;
        const auto item = html.open("li");
        write_swatch(html, span.style, false);
        html.text(fmt::format("{} (shaded)", span.style));
    }
}

void write_extremes(Html& html, const Chart& chart) {
    const auto details = html.open("details");
    html.leaf("summary", "The figures as a table");
    const auto box = html.open("div", {{"class", "scroll"},
                                       {"role", "group"},
                                       {"tabindex", "0"},
                                       {"aria-label", chart.title + ", table"}});
    const auto table = html.open("table");
    html.leaf("caption", fmt::format("{} ({}): extremes and mean", chart.title, chart.unit));
    {
        const auto head = html.open("thead");
        const auto row = html.open("tr");
        for (const char* name :
             {"line", "lowest", "at (UTC)", "mean", "highest", "at (UTC)", "windows"})
            html.leaf("th", name, {{"scope", "col"}});
    }
    const auto body = html.open("tbody");
    for (const ChartLine& line : chart.lines) {
        const auto row = html.open("tr");
        html.leaf("th", line.name, {{"scope", "row"}});
        const Timeline& values = *line.values;
        const bool none = values.empty();
        html.leaf("td", none ? "none" : value_text(values.lowest().value));
        html.leaf("td", none ? "none" : utc_text(values.lowest().unix_ms));
        html.leaf("td", none ? "none" : value_text(values.mean()));
        html.leaf("td", none ? "none" : value_text(values.highest().value));
        html.leaf("td", none ? "none" : utc_text(values.highest().unix_ms));
        html.leaf("td", number_text(values.values()));
    }
}

}  // namespace

void write_swatch(Html& html, std::string_view style, bool line) {
    const auto svg = html.open("svg", {{"class", "swatch"},
                                       {"viewBox", "0 0 36 14"},
                                       {"width", "36"},
                                       {"height", "14"},
                                       {"aria-hidden", "true"}});
    if (line)
        html.empty("line", {{"class", fmt::format("line {}", style)},
                            {"x1", "1"},
                            {"x2", "35"},
                            {"y1", "7"},
                            {"y2", "7"}});
    else
        html.empty("rect", {{"class", fmt::format("span {}", style)},
                            {"x", "2"},
                            {"y", "1"},
                            {"width", "32"},
                            {"height", "12"}});
}

std::string value_text(double value) {
    if (!std::isfinite(value)) return value > 0 ? "infinite" : "none";
    if (value >= 1000) return number_text(static_cast<std::uint64_t>(std::llround(value)));
    if (value > 0 && value < 1e-4) return "<0.0001";
    return value == 0 ? "0" : fmt::format("{:.4g}", value);
}

std::string coordinate(double value) { return fmt::format("{:.1f}", value); }

double tick_step(double range, int max_steps) {
    const double power = std::pow(10, std::floor(std::log10(range / max_steps)));
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (range / (factor * power) <= max_steps * (1 + 1e-9)) return factor * power;
    }
    return 10 * power;
}

std::uint64_t time_tick_step(std::uint64_t range_ms, int max_steps) {
    constexpr std::array<std::uint64_t, 20> steps = {
        second_ms,      2 * second_ms,  5 * second_ms, 10 * second_ms, 15 * second_ms,
        30 * second_ms, minute_ms,      2 * minute_ms, 5 * minute_ms,  10 * minute_ms,
        15 * minute_ms, 30 * minute_ms, hour_ms,       2 * hour_ms,    3 * hour_ms,
        6 * hour_ms,    12 * hour_ms,   day_ms,        2 * day_ms,     7 * day_ms};
    for (const std::uint64_t step : steps) {
        if (range_ms / step <= static_cast<std::uint64_t>(max_steps)) return step;
    }
    std::uint64_t step = steps.back();
    while (range_ms / step > static_cast<std::uint64_t>(max_steps)) step *= 2;
    return step;
}

void write_chart(Html& html, const Chart& chart) {
    const Scale scale = scale_of(chart);
    const auto figure = html.open("figure", {{"id", chart.id}});
    {
        const auto caption = html.open("figcaption");
        html.leaf("h4", chart.title);
        html.leaf("p", chart.summary);
    }
    write_legend(html, chart);
    {
        const std::string title_id = chart.id + "-title", summary_id = chart.id + "-summary";
        const auto svg =
            html.open("svg", {{"class", "chart"},
                              {"viewBox", fmt::format("0 0 {} {}", width, height)},
                              {"role", "img"},
                              {"aria-labelledby", fmt::format("{} {}", title_id, summary_id)}});
        html.leaf("title", chart.title, {{"id", title_id}});
        html.leaf("desc", chart.summary, {{"id", summary_id}});
        write_spans(html, scale, chart.spans);
        write_value_axis(html, scale, chart.unit);
        write_time_axis(html, scale);
        for (const ChartLine& line : chart.lines) write_line(html, scale, line);
    }
    write_extremes(html, chart);
}

}  // namespace jsguard
