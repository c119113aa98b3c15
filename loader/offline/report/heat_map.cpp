// SPDX-License-Identifier: BSD-2-Clause
// Draws the panels of a heat map: cells, their numbers, and the scales of colours.
#include "offline/report/heat_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "offline/report/svg_chart.hpp"

namespace jsguard {
namespace {

constexpr double narrow_cell = 42, wide_cell = 50, cell_height = 30, letter_width = 7.4, pad = 8;
constexpr std::size_t short_label = 6;  // letters of a label that fit above a column

// The shares from which on a cell has the next colour.
constexpr std::array<double, 5> share_steps = {0.01, 0.03, 0.1, 0.25, 0.5};
constexpr std::array<double, 3> difference_steps = {0.01, 0.05, 0.2};

template <std::size_t count>
std::size_t colour(const std::array<double, count>& steps, double value) {
    return 1 + static_cast<std::size_t>(std::upper_bound(steps.begin(), steps.end(), value) -
                                        steps.begin());
}

std::string share_style(double share) {
    return share > 0 ? fmt::format("s{}", colour(share_steps, share)) : "s0";
}

std::string difference_style(double difference) {
    if (difference == 0) return "s0";
    return fmt::format("{}{}", difference > 0 ? 'p' : 'n',
                       colour(difference_steps, std::abs(difference)));
}

std::string difference_text(double difference) {
    const std::string number = percent_text(std::abs(difference));
    if (number.empty()) return number;
    return (difference > 0 ? "+" : "\u2212") + number;
}

enum class Panel { baseline, window, difference };

double value_of(const CellShare& cell, Panel panel) {
    switch (panel) {
        case Panel::baseline:
            return cell.baseline;
        case Panel::window:
            return cell.window;
        case Panel::difference:
            break;
    }
    return cell.window - cell.baseline;
}

// Leaves out empty rows and columns.
HeatMap trimmed(const HeatMap& map) {
    const std::size_t columns = map.columns.size();
    std::vector<std::size_t> kept_rows, kept_columns;
    const auto has = [&](std::size_t row, std::size_t column) {
        const CellShare& cell = map.cells[row * columns + column];
        return cell.window > 0 || cell.baseline > 0;
    };
    for (std::size_t row = 0; row < map.rows.size(); row++) {
        for (std::size_t column = 0; column < columns; column++) {
            if (!has(row, column)) continue;
            if (kept_rows.empty() || kept_rows.back() != row) kept_rows.push_back(row);
            kept_columns.push_back(column);
        }
    }
    if (map.every_column) {
        for (std::size_t column = 0; column < columns; column++) kept_columns.push_back(column);
    }
    std::sort(kept_columns.begin(), kept_columns.end());
    kept_columns.erase(std::unique(kept_columns.begin(), kept_columns.end()), kept_columns.end());
    HeatMap rest = map;
    rest.rows.clear();
    rest.columns.clear();
    rest.cells.clear();
    if (kept_rows.empty()) return rest;
    for (const std::size_t column : kept_columns) rest.columns.push_back(map.columns[column]);
    for (const std::size_t row : kept_rows) {
        rest.rows.push_back(map.rows[row]);
        for (const std::size_t column : kept_columns)
            rest.cells.push_back(map.cells[row * columns + column]);
    }
    return rest;
}

std::size_t longest(const std::vector<std::string>& labels) {
    std::size_t length = 0;
    for (const std::string& label : labels) length = std::max(length, label.size());
    return length;
}

struct Layout {
    double left;   // of the cells
    double top;    // of the cells
    double width;  // of the panel
    double height;
    double cell_width;
    bool slanted;  // the labels of the columns are slanted
};

Layout layout_of(const HeatMap& map) {
    const std::size_t column_label = longest(map.columns);
    const bool slanted = column_label > short_label;
    // Slanted by 45 degrees, a label needs about 0.71 of its length in both directions.
    const double slant = 0.71 * letter_width * static_cast<double>(column_label);
    const double left = letter_width * static_cast<double>(longest(map.rows)) + 2 * pad;
    const double top = 26 + (slanted ? slant + pad : 18);
    const double cell_width = slanted ? narrow_cell : wide_cell;
    const double columns = static_cast<double>(map.columns.size());
    const double rows = static_cast<double>(map.rows.size());
    return {left,
            top,
            left + columns * cell_width + (slanted ? slant : pad),
            top + rows * cell_height + pad,
            cell_width,
            slanted};
}

void write_labels(Html& html, const HeatMap& map, const Layout& layout) {
    html.leaf("text", fmt::format("{} \u2193  {} \u2192", map.row_axis, map.column_axis),
              {{"x", coordinate(pad)}, {"y", "16"}, {"class", "axis"}});
    for (std::size_t column = 0; column < map.columns.size(); column++) {
        const double x = layout.left + (static_cast<double>(column) + 0.5) * layout.cell_width;
        const std::string y = coordinate(layout.top - pad);
        if (layout.slanted)
            html.leaf("text", map.columns[column],
                      {{"x", coordinate(x)},
                       {"y", y},
                       {"class", "slanted"},
                       {"transform", fmt::format("rotate(-45 {:.1f} {})", x, y)}});
        else
            html.leaf("text", map.columns[column],
                      {{"x", coordinate(x)}, {"y", y}, {"class", "tick"}});
    }
    for (std::size_t row = 0; row < map.rows.size(); row++)
        html.leaf("text", map.rows[row],
                  {{"x", coordinate(layout.left - pad)},
                   {"y", coordinate(layout.top + (static_cast<double>(row) + 0.5) * cell_height)},
                   {"class", "tick tick-left"}});
}

void write_cells(Html& html, const HeatMap& map, const Layout& layout, Panel panel) {
    for (std::size_t i = 0; i < map.cells.size(); i++) {
        const double value = value_of(map.cells[i], panel);
        const bool difference = panel == Panel::difference;
        const std::string style = difference ? difference_style(value) : share_style(value);
        const std::string number = difference ? difference_text(value) : percent_text(value);
        const std::size_t row = i / map.columns.size(), column = i % map.columns.size();
        const double x = layout.left + static_cast<double>(column) * layout.cell_width;
        const double y = layout.top + static_cast<double>(row) * cell_height;
        const auto group = html.open("g", {{"class", "cell " + style}});
        // Browsers show the title while the pointer is on the cell.
        html.leaf("title", fmt::format("{}, {}: {:.3f} %{}", map.rows[row], map.columns[column],
                                       100 * value, difference ? " difference" : ""));
        html.empty("rect", {{"x", coordinate(x + 1)},
                            {"y", coordinate(y + 1)},
                            {"width", coordinate(layout.cell_width - 2)},
                            {"height", coordinate(cell_height - 2)},
                            {"rx", "3"}});
        if (!number.empty())
            html.leaf("text", number,
                      {{"x", coordinate(x + layout.cell_width / 2)},
                       {"y", coordinate(y + cell_height / 2)}});
    }
}

void write_panel(Html& html, const HeatMap& map, Panel panel, std::string_view name) {
    const Layout layout = layout_of(map);
    const auto wrapper = html.open("div", {{"class", "panel"}});
    html.leaf("h5", name);
    const std::string id = fmt::format("{}-{}", map.id, static_cast<int>(panel));
    const auto box = html.open("div", {{"class", "scroll"},
                                       {"role", "group"},
                                       {"tabindex", "0"},
                                       {"aria-label", fmt::format("{}: {}", map.title, name)}});
    const auto svg = html.open(
        "svg", {{"class", "heat"},
                {"viewBox", fmt::format("0 0 {:.0f} {:.0f}", layout.width, layout.height)},
                {"width", fmt::format("{:.0f}", layout.width)},
                {"height", fmt::format("{:.0f}", layout.height)},
                {"role", "img"},
                {"aria-labelledby", fmt::format("{}-title {}-summary", id, id)}});
    html.leaf("title", fmt::format("{}: {}", map.title, name), {{"id", id + "-title"}});
    html.leaf("desc", map.summary, {{"id", id + "-summary"}});
    write_labels(html, map, layout);
    write_cells(html, map, layout, panel);
}

void write_key_item(Html& html, const std::string& style, const std::string& text) {
    const auto item = html.open("li");
    {
        const auto svg = html.open("svg", {{"class", "swatch"},
                                           {"viewBox", "0 0 18 14"},
                                           {"width", "18"},
                                           {"height", "14"},
                                           {"aria-hidden", "true"}});
        const auto group = html.open("g", {{"class", "cell " + style}});
        html.empty("rect",
                   {{"x", "1"}, {"y", "1"}, {"width", "16"}, {"height", "12"}, {"rx", "2"}});
    }
    html.text(text);
}

template <std::size_t count>
void write_scale(Html& html, const std::array<double, count>& steps, char style,
                 std::string_view sign) {
    for (std::size_t i = 0; i <= count; i++) {
        const std::string name = fmt::format("{}{}", style, i + 1);
        if (i == 0)
            write_key_item(html, name, fmt::format("{}under {:g}", sign, 100 * steps[0]));
        else if (i == count)
            write_key_item(html, name, fmt::format("{}{:g} and above", sign, 100 * steps[i - 1]));
        else
            write_key_item(html, name,
                           fmt::format("{}{:g} to {:g}", sign, 100 * steps[i - 1], 100 * steps[i]));
    }
}

void write_keys(Html& html, bool difference) {
    html.leaf("p", "Share in per cent:", {{"class", "key"}});
    {
        const auto list = html.open("ul", {{"class", "legend"}});
        write_key_item(html, "s0", "none");
        write_scale(html, share_steps, 's', "");
    }
    if (!difference) return;
    html.leaf("p", "Difference in percentage points, window less baseline:", {{"class", "key"}});
    const auto list = html.open("ul", {{"class", "legend"}});
    write_scale(html, difference_steps, 'n', "\u2212 ");
    write_scale(html, difference_steps, 'p', "+ ");
}

}  // namespace

std::string percent_text(double share) {
    const double percent = 100 * share;
    if (percent <= 0) return "";
    if (percent < 0.1) return "<.1";
    return percent < 9.95 ? fmt::format("{:.1f}", percent) : fmt::format("{:.0f}", percent);
}

void write_heat_map(Html& html, HeatMap whole) {
    const HeatMap map = trimmed(whole);
    const auto figure = html.open("figure", {{"id", map.id}});
    {
        const auto caption = html.open("figcaption");
        html.leaf("h4", map.title);
        html.leaf("p", map.summary);
    }
    if (map.cells.empty()) return;
    {
        const auto panels = html.open("div", {{"class", "panels"}});
        if (map.has_baseline) write_panel(html, map, Panel::baseline, "Baseline, %");
        write_panel(html, map, Panel::window, "Window, %");
        if (map.has_baseline)
            write_panel(html, map, Panel::difference, "Difference, percentage points");
    }
    write_keys(html, map.has_baseline);
}

}  // namespace jsguard
