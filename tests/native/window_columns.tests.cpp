// SPDX-License-Identifier: BSD-2-Clause
// Tests of windows as rows: every field has a column, and header, rows and document agree.
#include "observe/window_columns.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <locale>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "export_doc.hpp"
#include "observation_samples.hpp"
#include "tests/catch_compat.hpp"
#include "texts.hpp"

using namespace jsguard;

namespace {

struct CommaLocale : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
};

using Words = std::array<std::uint32_t, sizeof(jsg_window) / sizeof(std::uint32_t)>;

ExportedWindow sample(bool with_cost) {
    ExportedWindow row;
    row.window = samples::attacked_window(8080, 11'460);
    row.window.end_ns = 11'461'000'000'123;
    if (!with_cost) return row;
    row.threshold_nanobits = {120'000'000, 250'000'001};
    row.cost = samples::observation().cost;
    row.cost->programs = {{"jsg_destroy", 69, 690},
                          {"jsg_existing", 3, 5'000},
                          {"jsg_start", 1, 2'000},
                          {"jsg_transition", 70, 1'234'567'890}};
    return row;
}

// The fields of a line of CSV, with quotes as in RFC 4180.
std::vector<std::string> fields_of(const std::string& line) {
    std::vector<std::string> fields(1);
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
            fields.back() += line[i++];
        } else if (line[i] == '"') {
            quoted = !quoted;
        } else if (line[i] == ',' && !quoted) {
            fields.emplace_back();
        } else {
            fields.back() += line[i];
        }
    }
    return fields;
}

std::map<std::string, std::string> by_name(const ExportedWindow& row) {
    const auto names = fields_of(csv_header());
    const auto fields = fields_of(csv_row(row));
    REQUIRE(names.size() == fields.size());
    std::map<std::string, std::string> cells;
    for (std::size_t i = 0; i < names.size(); ++i) cells[names[i]] = fields[i];
    return cells;
}

}  // namespace

TEST_CASE("every word of a window except the reserved one is in a column", "[export]") {
    const ExportedWindow row = sample(true);
    const std::string before = csv_row(row);
    constexpr std::size_t reserved = offsetof(jsg_window, reserved) / sizeof(std::uint32_t);
    for (std::size_t i = 0; i < std::tuple_size_v<Words>; ++i) {
        Words words = std::bit_cast<Words>(row.window);
        ++words[i];
        ExportedWindow changed = row;
        changed.window = std::bit_cast<jsg_window>(words);
        CAPTURE(i * sizeof(std::uint32_t));
        CHECK((csv_row(changed) != before) == (i != reserved));
        CHECK((json_row(changed) != json_row(row)) == (i != reserved));
    }
}

TEST_CASE("each column shows the field of its name", "[export]") {
    auto cells = by_name(sample(true));
    const std::map<std::string, std::string> expected = {
        {"time", "2026-01-02T03:04:05.278+00:00"},
        {"unix_ms", "1767323045278"},
        {"end_ns", "11461000000123"},
        {"port", "8080"},
        {"sequence", "11460"},
        {"mode", "monitoring"},
        {"transitions", "4000"},
        {"exchanges", "900"},
        {"sockets", "1703"},
        {"idle_sockets", "1180"},
        {"waiting_sockets", "2"},
        {"open_requests", "511"},
        {"full_queues", "0"},
        {"transition_js_bits", "0.002345678"},
        {"transition_threshold_bits", "0.12"},
        {"transition_significance_bits", "0.01"},
        {"transition_kl_bits", "0.003"},
        {"transition_verdict", "normal"},
        {"transition_alert", "quiet"},
        {"occupancy_js_bits", "0.681234567"},
        {"occupancy_threshold_bits", "0.250000001"},
        {"occupancy_significance_bits", "0.09"},
        {"occupancy_kl_bits", "0.012"},
        {"occupancy_verdict", "above"},
        {"occupancy_alert", "alert"},
        {"with_waiting", "false"},
        {"open_sockets", "520.5"},
        {"expected_sockets", "19.25"},
        {"excess_sockets", "482"},
        {"stalled_sockets", "515"},
        {"stalled_excess_sockets", "476.5"},
        {"transition_entropy_bits", "2.9"},
        {"state_entropy_bits", "2.5"},
        {"state_entropy_trend_bits", "2.4"},
        {"sampled_ppm", "1000000"},
        {"sample_weight", "1"},
        {"uptime_s", "11520"},
        {"transition_runs", "70"},
        {"transition_run_s", "1.23456789"},
        {"destroy_runs", "69"},
        {"destroy_run_s", "0.00000069"},
        {"existing_runs", "3"},
        {"existing_run_s", "0.000005"},
        {"start_runs", "1"},
        {"start_run_s", "0.000002"},
        {"ticks", "737280"},
        {"ticks_total_s", "115.2"},
        {"ticks_longest_s", "0.000044969"},
        {"map_memory_bytes", "10564608"},
    };
    for (const auto& [name, value] : expected) {
        CAPTURE(name);
        CHECK(cells[name] == value);
    }
    CHECK(cells.size() == expected.size());
}

TEST_CASE("what is not known is empty in CSV and null in JSON", "[export]") {
    const std::set<std::string> with_programs = {
        "transition_runs", "transition_run_s", "destroy_runs", "destroy_run_s",
        "existing_runs",   "existing_run_s",   "start_runs",   "start_run_s"};
    std::set<std::string> of_cost = {"uptime_s", "ticks", "ticks_total_s", "ticks_longest_s",
                                     "map_memory_bytes"};
    of_cost.insert(with_programs.begin(), with_programs.end());
    of_cost.insert({"transition_threshold_bits", "occupancy_threshold_bits"});

    const auto empty_ones = [](const ExportedWindow& row) {
        const auto json = nlohmann::json::parse(json_row(row));
        std::set<std::string> empty;
        for (const auto& [name, cell] : by_name(row)) {
            CAPTURE(name);
            CHECK(cell.empty() == json.at(name).is_null());
            if (cell.empty()) empty.insert(name);
        }
        return empty;
    };
    CHECK(empty_ones(sample(true)).empty());
    CHECK(empty_ones(sample(false)) == of_cost);
    ExportedWindow unmeasured = sample(true);
    for (auto& program : unmeasured.cost->programs) program.runs = 0;
    CHECK(empty_ones(unmeasured) == with_programs);
}

TEST_CASE("an object has the names of the header, in their order, and the same values",
          "[export]") {
    const auto json = nlohmann::ordered_json::parse(json_row(sample(true)));
    const auto cells = by_name(sample(true));
    std::vector<std::string> names;
    for (const auto& [name, value] : json.items()) {
        names.push_back(name);
        CAPTURE(name);
        if (value.is_string()) {
            CHECK(cells.at(name) == value.get<std::string>());
        } else if (value.is_boolean()) {
            CHECK(cells.at(name) == (value.get<bool>() ? "true" : "false"));
        } else {
            CHECK(std::stod(cells.at(name)) == value.get<double>());
        }
    }
    CHECK(names == fields_of(csv_header()));
}

TEST_CASE("a column's name is unique, in snake case, and ends with its unit", "[export]") {
    const std::set<std::string_view> suffixes = {"bits", "ns",    "ms",     "s",
                                                 "ppm",  "bytes", "sockets"};
    const std::set<std::string_view> without = {"UTC",  "port",  "number",
                                                "word", "count", "true or false"};
    std::set<std::string_view> names;
    for (const WindowColumn& column : window_columns()) {
        CAPTURE(column.name, column.unit);
        CHECK(names.insert(column.name).second);
        CHECK(column.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == column.name.npos);
        CHECK_FALSE(column.meaning.empty());
        if (suffixes.contains(column.unit)) {
            CHECK(column.name.ends_with("_" + std::string(column.unit)));
        } else {
            CHECK(without.contains(column.unit));
        }
    }
}

TEST_CASE("numbers are exact, with a dot, whatever the locale", "[export]") {
    const std::locale before = std::locale::global(std::locale(std::locale(), new CommaLocale));
    ExportedWindow row = sample(true);
    row.window.signal[JSG_TRANSITIONS].kl_nanobits = UINT64_MAX;
    row.window.signal[JSG_TRANSITIONS].js_nanobits = 1;
    row.window.open_millisockets = 7;
    row.window.signal[JSG_OCCUPANCY].js_nanobits = 1'000'000'000;
    auto cells = by_name(row);
    std::locale::global(before);
    CHECK(cells["transition_kl_bits"] == "18446744073.709551615");
    CHECK(cells["transition_js_bits"] == "0.000000001");
    CHECK(cells["open_sockets"] == "0.007");
    CHECK(cells["occupancy_js_bits"] == "1");
}

TEST_CASE("a field of CSV is quoted if RFC 4180 requires it", "[export]") {
    CHECK(csv_field("plain text") == "plain text");
    CHECK(csv_field("") == "");
    CHECK(csv_field("a,b") == "\"a,b\"");
    CHECK(csv_field("say \"no\"") == "\"say \"\"no\"\"\"");
    CHECK(csv_field("two\nlines") == "\"two\nlines\"");
}

TEST_CASE("docs/export.md and --columns list the same columns", "[export]") {
    std::vector<std::string> documented;
    std::istringstream document{std::string(export_doc)};
    bool in_table = false;  // the document has other tables too
    for (std::string line; std::getline(document, line);) {
        if (line.starts_with("## ")) in_table = line == "## The columns";
        if (in_table && line.starts_with("| `")) documented.push_back(line);
    }
    std::vector<std::string> expected;
    std::istringstream printed(columns_text());
    for (const WindowColumn& column : window_columns()) {
        expected.push_back(
            fmt::format("| `{}` | {} | {} |", column.name, column.unit, column.meaning));
        std::string line;
        std::getline(printed, line);
        CAPTURE(line);
        CHECK(line.starts_with(fmt::format("{} ", column.name)));
        CHECK(contains(line, fmt::format(" {} ", column.unit)));
        CHECK(line.ends_with(column.meaning));
    }
    CHECK(documented == expected);
}
