// SPDX-License-Identifier: BSD-2-Clause
// Heat maps of a baseline, a window, and their difference, as SVG inside the page.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "offline/report/html.hpp"

namespace jsguard {

// The shares of a cell in the window and in the baseline, and its part of the divergence.
struct CellShare {
    double window = 0;
    double baseline = 0;
    double bits = 0;
};

struct HeatMap {
    std::string id;  // unique in the page
    std::string title;
    std::string summary;
    std::string row_axis;
    std::string column_axis;
    std::vector<std::string> rows;
    std::vector<std::string> columns;
    std::vector<CellShare> cells;  // row by row
    bool has_baseline = true;      // false: only the window is shown
    bool every_column = false;     // keep empty columns too, because the columns are a scale
};

// Writes a figure: panels of baseline, window and difference with a number in each cell, and the
// scales of colours. Empty rows are left out. Empty columns are left out unless every_column.
void write_heat_map(Html& html, HeatMap map);

// "12", "0.3", "<.1"; empty for a share of 0.
std::string percent_text(double share);

}  // namespace jsguard
