// SPDX-License-Identifier: BSD-2-Clause
// Writes analyses as tables of text.
#include "offline/analysis/analysis_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "common/error.hpp"

namespace jsguard {
namespace {

constexpr std::size_t value_width = 9;  // "12.345678"

std::size_t column_width(std::size_t measure) {
    return std::max(measure_name(static_cast<Measure>(measure)).size(), value_width);
}

std::string measure_headings() {
    std::string line;
    for (std::size_t i = 0; i < measures; ++i)
        line += fmt::format("  {:>{}}", measure_name(static_cast<Measure>(i)), column_width(i));
    return line;
}

std::string values_line(const MeasuredValues& values) {
    std::string line;
    for (std::size_t i = 0; i < measures; ++i)
        line += fmt::format("  {:>{}}", six_decimals(values[i]), column_width(i));
    return line;
}

template <typename Range, typename Text>
std::size_t widest(const Range& range, std::string_view heading, const Text& text) {
    std::size_t width = heading.size();
    for (const auto& element : range) width = std::max(width, printable(text(element)).size());
    return width;
}

std::size_t class_width(const Analysis& analysis) {
    return widest(analysis.classes, "class",
                  [](const MeasuredClass& group) -> const std::string& { return group.name; });
}

void write_samples(const Analysis& analysis, const TextSink& sink) {
    constexpr std::string_view heading = "sample";
    std::size_t name_width = 0;
    for (const MeasuredClass& group : analysis.classes)
        name_width =
            std::max(name_width, widest(group.samples, heading, [&](const MeasuredSample& sample) {
                         return sample_name(analysis, sample);
                     }));
    const std::size_t width = class_width(analysis);
    sink(
        fmt::format("{:<{}}  {:<{}}{}\n", "class", width, heading, name_width, measure_headings()));
    for (const MeasuredClass& group : analysis.classes) {
        for (const MeasuredSample& sample : group.samples)
            sink(fmt::format("{:<{}}  {:<{}}{}\n", printable(group.name), width,
                             printable(sample_name(analysis, sample)), name_width,
                             values_line(sample.values)));
    }
    sink("\n");
}

void write_classes(const Analysis& analysis, const TextSink& sink) {
    const std::size_t width = class_width(analysis);
    sink(fmt::format("{:<{}}  samples         {}\n", "class", width, measure_headings()));
    for (const MeasuredClass& group : analysis.classes) {
        const std::string name = printable(group.name);
        if (group.samples.empty()) {
            sink(fmt::format("{:<{}}  {:>7}\n", name, width, 0));
            continue;
        }
        sink(fmt::format("{:<{}}  {:>7}  mean   {}\n", name, width, group.samples.size(),
                         values_line(group.mean)));
        sink(fmt::format("{:<{}}  {:>7}  minimum{}\n", "", width, "", values_line(group.minimum)));
        sink(fmt::format("{:<{}}  {:>7}  maximum{}\n", "", width, "", values_line(group.maximum)));
    }
}

std::string percent(double share) { return fmt::format("{:.2f} %", 100 * share); }

std::string maximum_rule() { return fmt::format("maximum + {:g}", threshold_margin); }
std::string deviation_rule() { return fmt::format("mean + {:g} sigma", threshold_deviations); }

std::string threshold_columns(double threshold, const Rates& rates) {
    return fmt::format("  {:>14}  {:>8}  {:>8}", six_decimals(threshold), percent(rates.detection),
                       percent(rates.false_positive));
}

// Writes one row for each measure. what: the name of the attacks.
void write_separations(const Analysis& analysis, const Separations& separations,
                       const std::string& what, const TextSink& sink) {
    const auto rates = [](std::string_view threshold) {
        return fmt::format("  {:>14}  detected     false", threshold);
    };
    sink(fmt::format("\n{} against normal\n{:<18}       AUC{}{}{}\n", what, "measure",
                     rates("best threshold"), rates(maximum_rule()), rates(deviation_rule())));
    for (std::size_t i = 0; i < measures; ++i) {
        const Separation& found = separations[i];
        const Thresholds& thresholds = analysis.thresholds[i];
        sink(fmt::format("{:<18}  {:.6f}{}{}{}\n", measure_name(static_cast<Measure>(i)), found.auc,
                         threshold_columns(found.best, found.at_best),
                         threshold_columns(thresholds.maximum, found.at_maximum),
                         threshold_columns(thresholds.deviation, found.at_deviation)));
    }
}

void write_thresholds(const Analysis& analysis, const TextSink& sink) {
    sink(fmt::format("\n{:<18}  {:>14}  {:>14}\n", "measure", maximum_rule(), deviation_rule()));
    for (std::size_t i = 0; i < measures; ++i)
        sink(fmt::format("{:<18}  {:>14}  {:>14}\n", measure_name(static_cast<Measure>(i)),
                         six_decimals(analysis.thresholds[i].maximum),
                         six_decimals(analysis.thresholds[i].deviation)));
}

}  // namespace

std::string six_decimals(double value) { return fmt::format("{:.6f}", value); }

void write_text(const Analysis& analysis, bool with_samples, const TextSink& sink) {
    sink(fmt::format("{}, in {}{}\n\n", analysis.distribution, unit_name(analysis.unit),
                     analysis.empty_samples == 0
                         ? ""
                         : fmt::format("; empty windows left out: {}", analysis.empty_samples)));
    if (with_samples) write_samples(analysis, sink);
    write_classes(analysis, sink);
    if (!analysis.separation) return write_thresholds(analysis, sink);
    const std::size_t attacks = static_cast<std::size_t>(
        std::count_if(analysis.classes.begin(), analysis.classes.end(),
                      [](const MeasuredClass& group) { return group.separation.has_value(); }));
    if (attacks > 1) write_separations(analysis, *analysis.separation, "all attacks", sink);
    for (const MeasuredClass& group : analysis.classes) {
        if (group.separation)
            write_separations(analysis, *group.separation, printable(group.name), sink);
    }
}

}  // namespace jsguard
