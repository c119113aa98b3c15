// SPDX-License-Identifier: BSD-2-Clause
// The analysis section: strips of the samples beside the thresholds, and tables of classes and
// measures.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "common/quantity_text.hpp"
#include "offline/report/sections.hpp"
#include "offline/report/svg_chart.hpp"

namespace jsguard {
namespace {

// In units of the view box. As in svg_chart.cpp, the large letters of small screens fit.
constexpr double width = 720, left = 16, right = 24, top = 34, row_height = 64, foot = 60;
constexpr double plot_width = width - left - right;
constexpr std::size_t bins = 170;  // in a strip; each bin is 4 units wide
constexpr int ticks_across = 5;

std::string figure_text(double value) {
    return std::isfinite(value) ? fmt::format("{:.6f}", value) : "infinite";
}
std::string rate_text(double rate) { return fmt::format("{:.1f} %", 100 * rate); }

std::string measure_text(std::size_t measure, LogarithmUnit unit) {
    const auto which = static_cast<Measure>(measure);
    return has_unit(which) ? fmt::format("{}, {}", measure_name(which), unit_name(unit))
                           : std::string(measure_name(which));
}

void write_classes(Html& html, const Analysis& analysis) {
    std::vector<std::vector<std::string>> rows;
    for (std::size_t measure = 0; measure < measures; measure++) {
        for (const MeasuredClass& one : analysis.classes)
            rows.push_back({measure_text(measure, analysis.unit), one.name,
                            number_text(one.samples.size()), figure_text(one.minimum[measure]),
                            figure_text(one.mean[measure]), figure_text(one.maximum[measure])});
    }
    write_table(html, fmt::format("{}: classes by measure", analysis.distribution),
                {"measure", "class", "samples", "minimum", "mean", "maximum"}, rows);
}

void write_thresholds(Html& html, const Analysis& analysis) {
    std::vector<std::vector<std::string>> rows;
    for (std::size_t measure = 0; measure < measures; measure++) {
        const Thresholds& thresholds = analysis.thresholds[measure];
        std::vector<std::string> row = {measure_text(measure, analysis.unit),
                                        figure_text(thresholds.maximum),
                                        figure_text(thresholds.deviation)};
        if (analysis.separation) {
            const Separation& separation = (*analysis.separation)[measure];
            row.insert(row.end(),
                       {figure_text(separation.best), rate_text(separation.at_best.detection),
                        rate_text(separation.at_best.false_positive),
                        fmt::format("{:.4f}", separation.auc)});
        }
        rows.push_back(row);
    }
    const std::string caption = fmt::format("{}: thresholds by measure", analysis.distribution);
    const std::string maximum = fmt::format("maximum + {:g}", threshold_margin);
    const std::string deviation = fmt::format("mean + {:g} deviations", threshold_deviations);
    if (analysis.separation)
        write_table(html, caption,
                    {"measure", maximum, deviation, "best", "detected", "false positives", "AUC"},
                    rows);
    else
        write_table(html, caption, {"measure", maximum, deviation}, rows);
}

// --- strips ------------------------------------------------------------------------------------

constexpr auto js = static_cast<std::size_t>(Measure::js);

struct Mark {
    double value;
    std::string_view name;
    std::string_view style;
};

std::vector<Mark> marks_of(const Analysis& analysis) {
    std::vector<Mark> marks = {
        {analysis.thresholds[js].maximum, "maximum rule", "line-threshold"},
        {analysis.thresholds[js].deviation, "deviation rule", "line-significance"}};
    if (analysis.separation)
        marks.push_back({(*analysis.separation)[js].best, "best threshold", "line-c"});
    return marks;
}

double top_value_of(const Analysis& analysis) {
    double highest = 0;
    for (const MeasuredClass& one : analysis.classes) highest = std::max(highest, one.maximum[js]);
    for (const Mark& mark : marks_of(analysis)) highest = std::max(highest, mark.value);
    if (highest <= 0) return 1;
    const double step = tick_step(highest, ticks_across);
    return std::ceil(highest / step) * step;
}

double across(double value, double top_value) {
    return left + plot_width * std::clamp(value / top_value, 0.0, 1.0);
}

// Draws a bar for each bin with samples. The bar is taller if the bin has more samples.
void write_strip(Html& html, const MeasuredClass& one, double y, double top_value, bool normal) {
    std::array<std::size_t, bins> counts{};
    for (const MeasuredSample& sample : one.samples) {
        const double position = std::clamp(sample.values[js] / top_value, 0.0, 1.0) * (bins - 1);
        counts[static_cast<std::size_t>(std::lround(position))]++;
    }
    const double fullest = static_cast<double>(*std::max_element(counts.begin(), counts.end()));
    html.leaf("text", fmt::format("{} ({})", one.name, number_text(one.samples.size())),
              {{"x", coordinate(left)}, {"y", coordinate(y + 12)}, {"class", "strip-name"}});
    const double floor = y + row_height - 6, room = row_height - 28;
    html.empty("line", {{"class", "grid"},
                        {"x1", coordinate(left)},
                        {"x2", coordinate(left + plot_width)},
                        {"y1", coordinate(floor)},
                        {"y2", coordinate(floor)}});
    for (std::size_t bin = 0; bin < bins; bin++) {
        if (counts[bin] == 0) continue;
        // The height is a square root, so that one sample beside a thousand is still visible.
        const double tall =
            std::max(4.0, room * std::sqrt(static_cast<double>(counts[bin]) / fullest));
        const double x = left + plot_width * static_cast<double>(bin) / (bins - 1);
        html.empty("rect", {{"class", normal ? "strip strip-a" : "strip strip-b"},
                            {"x", coordinate(x - 1.5)},
                            {"y", coordinate(floor - tall)},
                            {"width", "3"},
                            {"height", coordinate(tall)}});
    }
}

void write_axis(Html& html, double floor, double top_value, std::string_view unit) {
    const double step = tick_step(top_value, ticks_across);
    for (int i = 0; i * step <= top_value * (1 + 1e-9); i++) {
        const std::string x = coordinate(across(i * step, top_value));
        html.empty("line", {{"class", "base"},
                            {"x1", x},
                            {"x2", x},
                            {"y1", coordinate(floor - 6)},
                            {"y2", coordinate(floor)}});
        html.leaf("text", value_text(i * step),
                  {{"x", x}, {"y", coordinate(floor + 20)}, {"class", "tick"}});
    }
    html.leaf("text", fmt::format("JS, {}", unit),
              {{"x", coordinate(left + plot_width)},
               {"y", coordinate(floor + 44)},
               {"class", "tick tick-left"}});
}

void write_marks(Html& html, const std::vector<Mark>& marks, double floor, double top_value) {
    for (const Mark& mark : marks) {
        if (!std::isfinite(mark.value)) continue;
        const std::string x = coordinate(across(mark.value, top_value));
        html.empty("line", {{"class", fmt::format("line {}", mark.style)},
                            {"x1", x},
                            {"x2", x},
                            {"y1", coordinate(top - 8)},
                            {"y2", coordinate(floor - 6)}});
    }
}

void write_mark_legend(Html& html, const std::vector<Mark>& marks) {
    const auto list = html.open("ul", {{"class", "legend"}});
    for (const Mark& mark : marks) {
        const auto item = html.open("li");
        write_swatch(html, mark.style, true);
        html.text(fmt::format("{} {}", mark.name, value_text(mark.value)));
    }
}

std::string strips_text(const Analysis& analysis) {
    std::string text = "JS divergence of the samples from the mean of the normal samples:";
    for (const MeasuredClass& one : analysis.classes)
        text += fmt::format(" {} {} to {}, mean {} ({});", one.name, value_text(one.minimum[js]),
                            value_text(one.maximum[js]), value_text(one.mean[js]),
                            counted_apart(one.samples.size(), "sample", "samples"));
    text.back() = '.';
    return text;
}

void write_strips(Html& html, const std::string& id, const Analysis& analysis) {
    const std::vector<Mark> marks = marks_of(analysis);
    const double top_value = top_value_of(analysis);
    const std::string title = fmt::format("{}: distribution of the samples", analysis.distribution);
    const std::string text = strips_text(analysis);
    const double floor = top + row_height * static_cast<double>(analysis.classes.size());
    const auto figure = html.open("figure", {{"id", id + "-strips"}});
    {
        const auto caption = html.open("figcaption");
        html.leaf("p", text);
    }
    write_mark_legend(html, marks);
    const auto svg =
        html.open("svg", {{"class", "chart"},
                          {"viewBox", fmt::format("0 0 {} {}", width, floor + foot)},
                          {"role", "img"},
                          {"aria-labelledby", fmt::format("{}-title {}-summary", id, id)}});
    html.leaf("title", title, {{"id", id + "-title"}});
    html.leaf("desc", text, {{"id", id + "-summary"}});
    double y = top;
    for (const MeasuredClass& one : analysis.classes) {
        write_strip(html, one, y, top_value, &one == &analysis.classes.front());
        y += row_height;
    }
    write_axis(html, floor, top_value, unit_name(analysis.unit));
    write_marks(html, marks, floor, top_value);
}

}  // namespace

void write_analysis(Html& html, const std::string& id, const Analysis& analysis,
                    std::string_view heading) {
    const auto section = html.open("section", {{"aria-labelledby", id + "-heading"}});
    html.leaf(heading, fmt::format("Analysis of {}", analysis.distribution),
              {{"id", id + "-heading"}});
    if (analysis.empty_samples > 0)
        html.leaf("p", fmt::format("Left out as empty: {}.",
                                   counted_apart(analysis.empty_samples, "sample", "samples")));
    write_strips(html, id, analysis);
    write_thresholds(html, analysis);
    write_classes(html, analysis);
}

}  // namespace jsguard
