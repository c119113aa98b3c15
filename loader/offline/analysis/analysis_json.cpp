// SPDX-License-Identifier: BSD-2-Clause
// Writes analyses as JSON.
#include <fmt/format.h>

#include "common/json_fields.hpp"
#include "offline/analysis/analysis_text.hpp"

namespace jsguard {
namespace {

using nlohmann::ordered_json;

constexpr int analysis_schema = 1;

std::string key(std::size_t measure) {
    return std::string(measure_key(static_cast<Measure>(measure)));
}

// nlohmann writes infinite values as null.
ordered_json values_json(const MeasuredValues& values) {
    ordered_json object = ordered_json::object();
    for (std::size_t i = 0; i < measures; ++i) object[key(i)] = values[i];
    return object;
}

ordered_json thresholds_json(const Analysis& analysis) {
    ordered_json object = ordered_json::object();
    for (std::size_t i = 0; i < measures; ++i)
        object[key(i)] = {{"maximum", analysis.thresholds[i].maximum},
                          {"deviation", analysis.thresholds[i].deviation}};
    return object;
}

ordered_json rates_json(double threshold, const Rates& rates) {
    return {{"threshold", threshold},
            {"detection_rate", rates.detection},
            {"false_positive_rate", rates.false_positive}};
}

ordered_json separations_json(const Analysis& analysis, const Separations& separations) {
    ordered_json object = ordered_json::object();
    for (std::size_t i = 0; i < measures; ++i) {
        const Separation& found = separations[i];
        object[key(i)] = {
            {"auc", found.auc},
            {"best", rates_json(found.best, found.at_best)},
            {"maximum", rates_json(analysis.thresholds[i].maximum, found.at_maximum)},
            {"deviation", rates_json(analysis.thresholds[i].deviation, found.at_deviation)}};
    }
    return object;
}

// Writes the JSON object of a class. "values" is written sample by sample, because it may be long.
void write_class(const Analysis& analysis, const MeasuredClass& group, bool with_samples,
                 const TextSink& sink) {
    ordered_json object = {{"name", group.name}, {"samples", group.samples.size()}};
    if (!group.samples.empty()) {
        object["mean"] = values_json(group.mean);
        object["minimum"] = values_json(group.minimum);
        object["maximum"] = values_json(group.maximum);
    }
    if (group.separation) object["separation"] = separations_json(analysis, *group.separation);
    std::string text = json_text(object);
    text.pop_back();
    sink(text);
    if (with_samples) {
        sink(",\"values\":[");
        for (const MeasuredSample& sample : group.samples) {
            ordered_json line = {{"sample", sample_name(analysis, sample)}};
            line.update(values_json(sample.values));
            sink((&sample == group.samples.data() ? "\n" : ",\n") + json_text(line));
        }
        sink("]");
    }
    sink("}");
}

void write_analysis(const Analysis& analysis, bool with_samples, const TextSink& sink) {
    ordered_json object = {{"distribution", analysis.distribution},
                           {"empty_samples", analysis.empty_samples},
                           {"thresholds", thresholds_json(analysis)}};
    if (analysis.separation)
        object["separation"] = separations_json(analysis, *analysis.separation);
    std::string text = json_text(object);
    text.pop_back();
    sink(text + ",\"classes\":[");
    for (const MeasuredClass& group : analysis.classes) {
        if (&group != analysis.classes.data()) sink(",");
        write_class(analysis, group, with_samples, sink);
    }
    sink("]}");
}

}  // namespace

void write_json(std::span<const Analysis> analyses, bool with_samples, const TextSink& sink) {
    const LogarithmUnit unit = analyses.empty() ? LogarithmUnit::bits : analyses.front().unit;
    sink(fmt::format("{{\"schema\":{},\"unit\":\"{}\",\"analyses\":[", analysis_schema,
                     unit_name(unit)));
    for (const Analysis& analysis : analyses) {
        if (&analysis != analyses.data()) sink(",");
        write_analysis(analysis, with_samples, sink);
    }
    sink("]}\n");
}

}  // namespace jsguard
