// SPDX-License-Identifier: BSD-2-Clause
// Windows as rows of a table: one list of columns for CSV, JSON and the description of the columns.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "observe/decimal.hpp"
#include "observe/observation.hpp"

namespace jsguard {

struct ExportedWindow {
    jsg_window window{};
    std::array<std::uint32_t, JSG_SIGNALS> threshold_nanobits{};  // 0: unknown, or not set yet
    // At the time when the row is written; none if the window was not the newest one then.
    std::optional<Cost> cost;
};

// The value of a column in a row; std::monostate if it is unknown.
using Cell = std::variant<std::monostate, std::uint64_t, Decimal, bool, std::string>;

struct WindowColumn {
    std::string_view name;
    std::string_view unit;
    std::string_view meaning;
    Cell (*cell)(const ExportedWindow&);
};

std::span<const WindowColumn> window_columns();

// One aligned line "name unit meaning" for each column.
std::string columns_text();

// Lines as in RFC 4180, without the line end. An unknown value is empty.
std::string csv_header();
std::string csv_row(const ExportedWindow& row);
std::string csv_field(std::string_view text);

// One object, on one line. An unknown value is null.
std::string json_row(const ExportedWindow& row);

}  // namespace jsguard
