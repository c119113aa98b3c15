// SPDX-License-Identifier: BSD-2-Clause
// The summary of repeated measurements: the median, and the quartiles as its spread.
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

// The quantile of a sorted list that is not empty. Between two values it is their weighted mean.
inline double quantile(const std::vector<double>& sorted, double share) {
    const double position = share * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<std::size_t>(position);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    return std::lerp(sorted[below], sorted[above], position - static_cast<double>(below));
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
