// SPDX-License-Identifier: BSD-2-Clause
// The schema of recordings and baseline files, and the translation of files of schema 1.
#include "common/file_schema.hpp"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "common/error.hpp"
#include "common/json_fields.hpp"

namespace jsguard {
namespace {

using nlohmann::ordered_json;
using Renamed = std::pair<std::string_view, std::string_view>;  // name in schema 1, name now

constexpr std::array fields = {
    Renamed{"guard_listeners", "monitor_listeners"},
    Renamed{"stays", "pinned"},
    Renamed{"doubts", "warnings"},
    Renamed{"lesson", "pending_baseline"},
    Renamed{"looks", "samples"},
    Renamed{"looked_at_ppm", "sampled_ppm"},
    Renamed{"chance_bits", "significance_bits"},
    Renamed{"held_sockets", "stalled_sockets"},
    Renamed{"held_excess_sockets", "stalled_excess_sockets"},
    Renamed{"over_steps", "above_steps"},
};

// The name of a cell begins with the name of its phase.
constexpr std::array phases = {
    Renamed{"response stalled", "response slow"},
    Renamed{"request stalled", "request slow"},
    Renamed{"unnoticed", "half closed"},
};

constexpr std::array words = {
    Renamed{"guarding", "monitoring"},
    Renamed{"learning on", "still learning"},
    Renamed{"over", "above"},
};

std::string present_key(const std::string& key) {
    for (const auto& [before, now] : fields) {
        if (key == before) return std::string(now);
    }
    for (const auto& [before, now] : phases) {
        if (key.starts_with(std::string(before) + ' '))
            return std::string(now) + key.substr(before.size());
    }
    return key;
}

bool has_words(std::string_view key) { return key == "mode" || key == "verdict"; }

void translate(ordered_json& value);

void translate_object(ordered_json& object) {
    ordered_json translated = ordered_json::object();
    for (auto& [key, value] : object.items()) {
        if (has_words(key) && value.is_string()) {
            for (const auto& [before, now] : words) {
                if (value == before) value = now;
            }
        }
        translate(value);
        translated.emplace(present_key(key), std::move(value));
    }
    object = std::move(translated);
}

void translate(ordered_json& value) {
    if (value.is_object()) return translate_object(value);
    if (!value.is_array()) return;
    for (ordered_json& element : value) translate(element);
}

}  // namespace

std::uint32_t file_schema_of(const ordered_json& first) {
    const std::uint32_t schema = read_count(member(first, "schema"), "schema");
    if (schema == 0 || schema > file_schema)
        refuse(fmt::format("its schema is {}, not 1 or {}: another version wrote it", schema,
                           file_schema));
    return schema;
}

void to_present_schema(ordered_json& object, std::uint32_t schema) {
    if (schema == 1) translate(object);
}

}  // namespace jsguard
