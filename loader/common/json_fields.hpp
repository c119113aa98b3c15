// SPDX-License-Identifier: BSD-2-Clause
// Strict readers of JSON fields, and writers of counts by the names of their cells. Each reader
// throws Error(usage). The message names the field, but not the file.
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

// Parses a text. Refuses a key that occurs twice in an object, an object with too many keys, and a
// text that is nested deeper than any file of this project.
nlohmann::ordered_json parse_json(std::string_view text);

// The value as text: on one line, or indented by this many spaces. Replaces invalid UTF-8.
std::string json_text(const nlohmann::ordered_json& value, int indent = -1);

// The value, or null if there is none.
template <class Value>
nlohmann::ordered_json or_null(const std::optional<Value>& value) {
    return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

const nlohmann::ordered_json& member(const nlohmann::ordered_json& object, const char* name);
const nlohmann::ordered_json& object_member(const nlohmann::ordered_json& object, const char* name);

// Reads a whole number of 32 bits.
std::uint32_t read_count(const nlohmann::ordered_json& value, std::string_view name);
// Reads a member of object: a whole number of 64 bits.
std::uint64_t read_large_count(const nlohmann::ordered_json& object, const char* name);

// Reads a member of object: 0 to 1 bit. Returns billionths of a bit.
std::uint32_t read_bits(const nlohmann::ordered_json& object, const char* name);

// A number that the program keeps as a whole number of parts: scale parts are 1. Up to max_exact
// parts are exact after writing and reading.
constexpr std::uint64_t max_exact = 1ULL << 51;
constexpr double nano_in_one = JSG_NANO;
constexpr double milli_in_one = JSG_MILLI;
std::uint64_t read_parts(const nlohmann::ordered_json& object, const char* name, double scale,
                         std::uint64_t max);
nlohmann::ordered_json parts_json(std::uint64_t parts, double scale);

using CellOf = std::optional<std::uint32_t> (*)(std::string_view);
using NameOf = std::string (*)(std::uint32_t);

// Reads counts by the names of their cells. A cell that is not named keeps its count.
void read_cells(const nlohmann::ordered_json& cells, CellOf cell_of, std::span<__u32> counts);
// Leaves out the cells whose count is 0.
nlohmann::ordered_json cells_json(NameOf name_of, std::span<const __u32> counts);

// The sum of counts. Refuses a sum of more than 32 bits.
std::uint32_t total(std::span<const __u32> counts, std::string_view name);

}  // namespace jsguard
