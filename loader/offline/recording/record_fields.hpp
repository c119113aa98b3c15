// SPDX-License-Identifier: BSD-2-Clause
// Writes and reads the fields of a record by one description of them. The description is a function
// template. It takes a FieldWriter and a constant record, or a FieldReader and a record to fill.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "common/baseline_json.hpp"
#include "common/cells.hpp"
#include "common/error.hpp"
#include "common/json_fields.hpp"
#include "common/quantity_text.hpp"

namespace jsguard {

// Converts the values of an enumeration to words, and back.
template <class Value>
struct Words {
    std::string_view (*name_of)(Value);
    std::optional<Value> (*value_of)(std::string_view);
};
constexpr Words<jsg_mode> mode_words = {mode_name, mode_of};
constexpr Words<jsg_verdict> verdict_words = {verdict_name, verdict_of};
constexpr Words<jsg_alert_state> alert_state_words = {alert_state_name, alert_state_of};

// Converts the cells of a distribution to names, and back.
struct CellNames {
    NameOf name_of;
    CellOf cell_of;
};
constexpr CellNames transition_names = {transition_name, transition_cell};
constexpr CellNames occupancy_names = {occupancy_name, occupancy_cell};

constexpr const char* unset_threshold = "auto";

class FieldWriter {
  public:
    nlohmann::ordered_json take() { return std::move(object_); }

    void count(const char* name, std::uint32_t value) { object_[name] = value; }
    void large_count(const char* name, std::uint64_t value) { object_[name] = value; }
    void text(const char* name, const std::string& value) { object_[name] = value; }
    template <class Flag>
    void flag(const char* name, Flag value) {
        object_[name] = value != 0;
    }
    void bits(const char* name, std::uint64_t nanobits) {
        object_[name] = parts_json(nanobits, nano_in_one);
    }
    void divergence(const char* name, std::uint32_t nanobits) { bits(name, nanobits); }
    void significance(const char* name, std::uint32_t nanobits) { bits(name, nanobits); }
    void thousandths(const char* name, std::uint32_t value) {
        object_[name] = parts_json(value, milli_in_one);
    }
    // nanobits: 0 if the threshold was not given, or is not set yet.
    void threshold(const char* name, std::uint32_t nanobits) {
        if (nanobits == 0) {
            object_[name] = unset_threshold;
        } else {
            bits(name, nanobits);
        }
    }
    void seconds(const char* name, std::uint64_t nanoseconds) {
        object_[name] = parts_json(nanoseconds, nano_in_one);
    }
    // "time" is for people. Only "unix_ms" is read back.
    void time(std::uint64_t unix_ms) {
        object_["time"] = utc_timestamp(unix_ms);
        object_["unix_ms"] = unix_ms;
    }
    template <class Value>
    void word(const char* name, Value value, const Words<Value>& words) {
        object_[name] = words.name_of(value);
    }
    void cells(const char* name, std::span<const __u32> counts, const CellNames& names) {
        object_[name] = cells_json(names.name_of, counts);
    }
    void total_of(const char* name, std::uint32_t value, const char*, std::span<const __u32>,
                  const CellNames&) {
        object_[name] = value;
    }
    template <class Describe>
    void object(const char* name, Describe describe) {
        FieldWriter inner;
        describe(inner);
        object_[name] = inner.take();
    }
    template <class Record, class Describe>
    void list(const char* name, const std::vector<Record>& records, Describe describe) {
        nlohmann::ordered_json array = nlohmann::ordered_json::array();
        for (const Record& record : records) {
            FieldWriter inner;
            describe(inner, record);
            array.push_back(inner.take());
        }
        object_[name] = std::move(array);
    }
    void all_bits(const char* name, std::span<const __u64> nanobits) {
        nlohmann::ordered_json array = nlohmann::ordered_json::array();
        for (const __u64 one : nanobits) array.push_back(parts_json(one, nano_in_one));
        object_[name] = std::move(array);
    }
    void pending_baseline(const char* name, const std::optional<jsg_baseline>& pending_baseline) {
        if (pending_baseline) object_[name] = pending_baseline_to_json(*pending_baseline);
    }
    void baseline(const char* name, const std::optional<jsg_baseline>& baseline) {
        pending_baseline(name, baseline);
    }

  private:
    nlohmann::ordered_json object_ = nlohmann::ordered_json::object();
};

// Throws Error(usage) for a field that is missing or invalid. Unknown fields are ignored, because
// they may be of a later version.
class FieldReader {
  public:
    explicit FieldReader(const nlohmann::ordered_json& object) : object_(object) {}

    void count(const char* name, std::uint32_t& value) {
        value = read_count(member(object_, name), name);
    }
    // Count: uint64_t or __u64, which are different types on some machines.
    template <class Count>
    void large_count(const char* name, Count& value) {
        value = read_large_count(object_, name);
    }
    void text(const char* name, std::string& value) {
        const nlohmann::ordered_json& read = member(object_, name);
        if (!read.is_string()) refuse(fmt::format("\"{}\" is not a text", name));
        value = read.get<std::string>();
    }
    template <class Flag>
    void flag(const char* name, Flag& value) {
        const nlohmann::ordered_json& read = member(object_, name);
        if (!read.is_boolean()) refuse(fmt::format("\"{}\" is neither true nor false", name));
        value = read.get<bool>() ? 1 : 0;
    }
    void bits(const char* name, __u64& nanobits) {
        nanobits = read_parts(object_, name, nano_in_one, max_exact);
    }
    // A divergence is at most 1 bit.
    void divergence(const char* name, __u32& nanobits) { nanobits = read_bits(object_, name); }
    // A significance bound may be above 1 bit, up to where it saturates. Then no divergence exceeds
    // it.
    void significance(const char* name, __u32& nanobits) {
        nanobits = static_cast<__u32>(read_parts(object_, name, nano_in_one, UINT32_MAX));
    }
    void thousandths(const char* name, __u32& value) {
        value = static_cast<__u32>(read_parts(object_, name, milli_in_one, UINT32_MAX));
    }
    void threshold(const char* name, __u32& nanobits) {
        const nlohmann::ordered_json& read = member(object_, name);
        nanobits = read == unset_threshold ? 0 : read_bits(object_, name);
    }
    void seconds(const char* name, std::uint64_t& nanoseconds) {
        nanoseconds = read_parts(object_, name, nano_in_one, max_exact);
    }
    template <class Time>
    void time(Time& unix_ms) {
        large_count("unix_ms", unix_ms);
    }
    template <class Value>
    void word(const char* name, Value& value, const Words<Value>& words) {
        std::string read;
        text(name, read);
        const std::optional<Value> found = words.value_of(read);
        if (!found) refuse(fmt::format("unknown {} \"{}\"", name, printable(read)));
        value = *found;
    }
    void cells(const char* name, std::span<__u32> counts, const CellNames& names) {
        read_cells(object_member(object_, name), names.cell_of, counts);
        total(counts, name);  // throws above 32 bits: the kernel's code adds them up in 32 bits
    }
    // The description has the cells after their total. They are read here, to check the total.
    void total_of(const char* name, std::uint32_t& value, const char* cells_name,
                  std::span<__u32> counts, const CellNames& names) {
        cells(cells_name, counts, names);
        count(name, value);
        const std::uint32_t sum = total(counts, cells_name);
        if (value != sum)
            refuse(fmt::format("\"{}\" is {}, but its \"{}\" add up to {}", name, value, cells_name,
                               sum));
    }
    template <class Describe>
    void object(const char* name, Describe describe) {
        FieldReader inner(object_member(object_, name));
        describe(inner);
    }
    template <class Record, class Describe>
    void list(const char* name, std::vector<Record>& records, Describe describe) {
        for (const nlohmann::ordered_json& one : array(name)) {
            FieldReader inner(one);
            describe(inner, records.emplace_back());
        }
    }
    void all_bits(const char* name, std::span<__u64> nanobits) {
        const nlohmann::ordered_json& all = array(name);
        if (all.size() != nanobits.size())
            refuse(fmt::format("\"{}\" has {} numbers in place of {}", name, all.size(),
                               nanobits.size()));
        for (std::size_t i = 0; i < nanobits.size(); ++i)
            nanobits[i] = read_parts({{name, all[i]}}, name, nano_in_one, max_exact);
    }
    // The field is left out if there is no pending baseline.
    void pending_baseline(const char* name, std::optional<jsg_baseline>& pending_baseline) {
        if (object_.contains(name))
            pending_baseline = pending_baseline_from_json(object_member(object_, name));
    }
    void baseline(const char* name, std::optional<jsg_baseline>& baseline) {
        pending_baseline(name, baseline);
        if (baseline && (!baseline->learned_s || !jsg_baseline_complete(&*baseline)))
            refuse(fmt::format("\"{}\" has seen too little traffic for a baseline", name));
    }

  private:
    const nlohmann::ordered_json& array(const char* name) const {
        const nlohmann::ordered_json& value = member(object_, name);
        if (!value.is_array()) refuse(fmt::format("\"{}\" is not a list", name));
        return value;
    }

    const nlohmann::ordered_json& object_;
};

}  // namespace jsguard
