// SPDX-License-Identifier: BSD-2-Clause
// What a detector shows, as Prometheus reads it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "observe/observation.hpp"

namespace jsguard {

// What is told of one family of series, in the order of the text.
struct MetricFamily {
    std::string name;
    std::string_view type;    // "gauge" or "counter"
    std::string_view labels;  // "port, signal"; netns comes with each where one is monitored
    std::string help;
};

std::vector<MetricFamily> metric_families();

// The text exposition format: each family once, all its series together; a figure that there is not
// is absent.
std::string prometheus_text(const Observation& seen);

}  // namespace jsguard
