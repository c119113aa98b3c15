// SPDX-License-Identifier: BSD-2-Clause
// The metrics of a detector in the text exposition format of Prometheus.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "observe/observation.hpp"

namespace jsguard {

// The description of one metric family. The order is that of the text.
struct MetricFamily {
    std::string name;
    std::string_view type;    // "gauge" or "counter"
    std::string_view labels;  // for example "port, signal"; netns is added if only one is monitored
    std::string help;
};

std::vector<MetricFamily> metric_families();

// Each family appears once, with all its series together. A figure that is unknown has no series.
std::string prometheus_text(const Observation& seen);

}  // namespace jsguard
