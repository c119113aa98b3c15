// SPDX-License-Identifier: BSD-2-Clause
// What repeated measurements of one thing come to: the median, and the quartiles as its spread.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace bench {

struct Spread {
    double lower = 0;  // first quartile
    double median = 0;
    double upper = 0;  // third quartile
    std::size_t count = 0;
};

// Of a sorted, not empty list; between two values by their weighted mean.
inline double quantile(const std::vector<double>& sorted, double share) {
    const double service_id = share * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(service_id);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    return std::lerp(sorted[below], sorted[above], service_id - static_cast<double>(below));
}

inline Spread spread_of(std::vector<double> values) {
    if (values.empty()) return {};
    std::sort(values.begin(), values.end());
    return {quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75), values.size()};
}

inline std::string text_of(const Spread& spread, int digits) {
    return fmt::format("{:.{}f} ({:.{}f} to {:.{}f})", spread.median, digits, spread.lower, digits,
                       spread.upper, digits);
}

inline nlohmann::ordered_json json_of(const Spread& spread) {
    return {{"median", spread.median},
            {"lower_quartile", spread.lower},
            {"upper_quartile", spread.upper},
            {"measured", spread.count}};
}

}  // namespace bench
