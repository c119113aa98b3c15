// SPDX-License-Identifier: BSD-2-Clause
// Heat maps of two distributions beside each other and of their difference, as SVG inside the page.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "offline/report/html.hpp"

namespace jsguard {

// What a cell has of the window, of the baseline, and of the divergence of the two.
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
    bool has_baseline = true;      // else the window alone is shown
    bool every_column = false;     // also those without anything: columns are a scale
};

// A figure: baseline, window and difference, each cell with its number, and the scale of colours.
// Rows and columns without anything are left out, columns unless every_column.
void write_heat_map(Html& html, HeatMap map);

// "12", "0.3", "<.1"; empty for nothing.
std::string percent_text(double share);

}  // namespace jsguard
