// SPDX-License-Identifier: BSD-2-Clause
// The JSON fields that baseline files and recordings share.
#include "common/json_fields.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "common/error.hpp"

namespace jsguard {
namespace {

using nlohmann::ordered_json;

constexpr std::uint32_t max_uint32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t max_depth = 8;  // a baseline file has four levels
// nlohmann compares each new key with all keys before it, so a very large object would take hours.
constexpr std::size_t max_keys = 4096;

// Refuses what parse_json() refuses. Of two equal keys, nlohmann would silently use the last one,
// though one of them must be wrong.
class StrictKeys {
  public:
    bool operator()(int depth, ordered_json::parse_event_t event, ordered_json& parsed) {
        if (static_cast<std::size_t>(depth) > max_depth) refuse("nested too deeply");
        if (event == ordered_json::parse_event_t::object_start) keys_.emplace_back();
        if (event == ordered_json::parse_event_t::object_end) keys_.pop_back();
        if (event == ordered_json::parse_event_t::key) {
            const auto& key = parsed.get_ref<const std::string&>();
            if (!keys_.back().insert(key).second) {
                refuse(fmt::format("\"{}\" is there twice", printable(key)));
            }
            if (keys_.back().size() > max_keys)
                refuse(fmt::format("it has more than {} keys in one object", max_keys));
        }
        return true;
    }

  private:
    std::vector<std::set<std::string>> keys_;
};

}  // namespace

void refuse(const std::string& why) { throw Error(ExitCode::usage, why); }

ordered_json parse_json(std::string_view text) {
    try {
        return ordered_json::parse(text, StrictKeys());
    } catch (const ordered_json::parse_error& error) {
        refuse(fmt::format("not JSON, or cut short, at byte {}", error.byte));
    } catch (const ordered_json::exception&) {
        refuse("it has a number that is out of range");
    }
}

std::string json_text(const ordered_json& value, int indent) {
    return value.dump(indent, ' ', false, ordered_json::error_handler_t::replace);
}

const ordered_json& member(const ordered_json& object, const char* name) {
    if (!object.is_object()) refuse(fmt::format("\"{}\" is missing: this is not an object", name));
    const auto found = object.find(name);
    if (found == object.end()) refuse(fmt::format("\"{}\" is missing", name));
    return *found;
}

const ordered_json& object_member(const ordered_json& object, const char* name) {
    const ordered_json& value = member(object, name);
    if (!value.is_object()) refuse(fmt::format("\"{}\" is not an object", name));
    return value;
}

std::uint32_t read_count(const ordered_json& value, std::string_view name) {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > max_uint32) {
        refuse(
            fmt::format("\"{}\" is not a whole number from 0 to {}", printable(name), max_uint32));
    }
    return value.get<std::uint32_t>();
}

std::uint64_t read_large_count(const ordered_json& object, const char* name) {
    const ordered_json& value = member(object, name);
    if (!value.is_number_unsigned())
        refuse(fmt::format("\"{}\" is not a whole number from 0 to {}", name,
                           std::numeric_limits<std::uint64_t>::max()));
    return value.get<std::uint64_t>();
}

std::uint32_t read_bits(const ordered_json& object, const char* name) {
    const ordered_json& value = member(object, name);
    const double bits = value.is_number() ? value.get<double>() : -1;
    if (!(bits >= 0 && bits <= 1))
        refuse(fmt::format("\"{}\" is not a number of bits, 0 to 1", name));
    return static_cast<std::uint32_t>(std::llround(bits * JSG_NANO));
}

std::uint64_t read_parts(const ordered_json& object, const char* name, double scale,
                         std::uint64_t max) {
    const ordered_json& value = member(object, name);
    const double parts = value.is_number() ? value.get<double>() * scale : -1;
    if (!(parts >= 0 && parts < static_cast<double>(max) + 0.5))
        refuse(fmt::format("\"{}\" is not a number from 0 to {}", name,
                           static_cast<double>(max) / scale));
    return static_cast<std::uint64_t>(std::llround(parts));
}

// Writes a whole number without a fraction: it is shorter, and people write it so.
ordered_json parts_json(std::uint64_t parts, double scale) {
    const double number = static_cast<double>(parts) / scale;
    if (number == std::floor(number)) return static_cast<std::uint64_t>(number);
    return number;
}

void read_cells(const ordered_json& cells, CellOf cell_of, std::span<__u32> counts) {
    for (const auto& [name, value] : cells.items()) {
        const auto cell = cell_of(name);
        if (!cell) refuse(fmt::format("unknown cell \"{}\"", printable(name)));
        counts[*cell] = read_count(value, name);
    }
}

ordered_json cells_json(NameOf name_of, std::span<const __u32> counts) {
    ordered_json cells = ordered_json::object();
    for (std::uint32_t cell = 0; cell < counts.size(); cell++) {
        if (counts[cell] != 0) cells[name_of(cell)] = counts[cell];
    }
    return cells;
}

std::uint32_t total(std::span<const __u32> counts, std::string_view name) {
    std::uint64_t sum = 0;
    for (const __u32 count : counts) sum += count;
    if (sum > max_uint32) refuse(fmt::format("the total of \"{}\" is above {}", name, max_uint32));
    return static_cast<std::uint32_t>(sum);
}

}  // namespace jsguard
