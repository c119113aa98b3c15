// SPDX-License-Identifier: BSD-2-Clause
// Reading JSON with distrust, and writing counts by the names of their cells. Each reader throws
// Error(usage) whose message names the field, but no file.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "kernel/decision.h"
#include "kernel/jsguard.h"

namespace jsguard {

[[noreturn]] void refuse(const std::string& why);

// Refuses a key that stands in an object twice, and a text that is nested deeper than any file of
// this project.
nlohmann::ordered_json parse_json(std::string_view text);

// The same text on one line, or indented; what is not UTF-8 in it is replaced.
std::string json_text(const nlohmann::ordered_json& value, int indent = -1);

// Null where there is none.
template <class Value>
nlohmann::ordered_json or_null(const std::optional<Value>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

const nlohmann::ordered_json& member(const nlohmann::ordered_json& object, const char* name);
const nlohmann::ordered_json& object_member(const nlohmann::ordered_json& object, const char* name);

// A whole number of 32 bits.
std::uint32_t read_count(const nlohmann::ordered_json& value, std::string_view name);
// One of 64 bits.
std::uint64_t read_large_count(const nlohmann::ordered_json& object, const char* name);

// Bits, 0 to 1, as billionths.
std::uint32_t read_bits(const nlohmann::ordered_json& object, const char* name);

// A number that is kept as whole parts, scale of them to one; the most parts that are exact, there
// and back, are max_exact.
constexpr std::uint64_t max_exact = 1ULL << 51;
constexpr double nano_in_one = JSG_NANO;
constexpr double milli_in_one = JSG_MILLI;
std::uint64_t read_parts(const nlohmann::ordered_json& object, const char* name, double scale,
                         std::uint64_t most);
nlohmann::ordered_json parts_json(std::uint64_t parts, double scale);

using CellOf = std::optional<std::uint32_t> (*)(std::string_view);
using NameOf = std::string (*)(std::uint32_t);

// Cells by name; those that are not named keep what counts holds.
void read_cells(const nlohmann::ordered_json& cells, CellOf cell_of, std::span<__u32> counts);
// Without the cells that counted nothing.
nlohmann::ordered_json cells_json(NameOf name_of, std::span<const __u32> counts);

// Refuses a total of more than 32 bits.
std::uint32_t total(std::span<const __u32> counts, std::string_view name);

}  // namespace jsguard
