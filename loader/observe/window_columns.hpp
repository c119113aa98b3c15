// SPDX-License-Identifier: BSD-2-Clause
// Windows as rows of a table: one list of columns, for CSV, for JSON and for what is told of them.
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
    std::array<std::uint32_t, JSG_SIGNALS> threshold_nanobits{};  // 0: not known, or not set yet
    // When the row is written; none of a window that was not the newest then.
    std::optional<Cost> cost;
};

// What stands in a row's place of a column; nothing where it is not known.
using Cell = std::variant<std::monostate, std::uint64_t, Decimal, bool, std::string>;

struct WindowColumn {
    std::string_view name;
    std::string_view unit;
    std::string_view meaning;
    Cell (*cell)(const ExportedWindow&);
};

std::span<const WindowColumn> window_columns();

// "name unit meaning" of each, a line each, aligned.
std::string columns_text();

// Lines of RFC 4180, without their end; what is not known is empty.
std::string csv_header();
std::string csv_row(const ExportedWindow& row);
std::string csv_field(std::string_view text);

// One object, on one line; what is not known is null.
std::string json_row(const ExportedWindow& row);

}  // namespace jsguard
