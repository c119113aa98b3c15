// SPDX-License-Identifier: BSD-2-Clause
// Tests of recordings that are refused because they are not sound.
#include <fmt/format.h>
#include <sys/stat.h>

#include <functional>

#include "common/cells.hpp"
#include "common/error.hpp"
#include "recording_text.hpp"
#include "tests/catch_compat.hpp"

using namespace recording_text;

namespace {

// The message of the usage error, or "" if there is none.
std::string refusal_of_path(const fs::path& path) {
    try {
        RecordingReader reader(path);
        while (reader.next()) {
        }
    } catch (const Error& error) {
        return error.code() == ExitCode::usage ? error.what() : "";
    }
    return "";
}

std::string refusal_of(const std::vector<std::string>& lines) {
    const Recording file(lines_of(lines));
    const std::string message = refusal_of_path(file.path());
    if (message.empty()) return message;
    CHECK(message.find(file.path().string()) != std::string::npos);
    CHECK(message.find('\n') == std::string::npos);
    return message;
}

// A change of one line. The functions below return the refusal of the recording with this change.
using Change = std::function<void(ordered_json&)>;

std::string refusal_of_header(const Change& change) {
    ordered_json header = ordered_json::parse(header_line());
    change(header);
    return refusal_of({header.dump()});
}

std::string refusal_of_service(const Change& change) {
    RecordedService recorded = Samples(3).service(port, 60);
    recorded.baseline = Samples(4).baseline();
    recorded.pending_baseline = Samples(5).baseline();
    recorded.history = {Samples(6).reading()};
    ordered_json service = parsed(recorded);
    change(service);
    return refusal_of({header_line(), service.dump()});
}

std::string refusal_of_window(const Change& change) {
    ordered_json window = window_line();
    change(window);
    return refusal_of({header_line(), service_line().dump(), window.dump()});
}

// Pointers to all fields of a line, also to those of the objects in it. Cells are left out.
std::vector<ordered_json::json_pointer> fields_of(const ordered_json& line) {
    std::vector<ordered_json::json_pointer> fields;
    const std::function<void(const ordered_json&, const ordered_json::json_pointer&)> walk =
        [&](const ordered_json& object, const ordered_json::json_pointer& at) {
            for (const auto& [name, value] : object.items()) {
                if (transition_cell(name) || occupancy_cell(name)) continue;
                fields.push_back(at / name);
                if (value.is_object()) walk(value, at / name);
            }
        };
    walk(line, ordered_json::json_pointer());
    return fields;
}

// Fields that are only for people, which reading ignores, and fields that may be left out.
bool is_optional(const std::string& name) {
    for (const char* optional : {"time", "baseline", "pending_baseline", "accept_queue_full_s"}) {
        if (name == optional) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("a header of another schema or type is refused", "[recording_file]") {
    for (const ordered_json& schema : {ordered_json(0), ordered_json(3), ordered_json("1"),
                                       ordered_json(1.5), ordered_json(-1), ordered_json()}) {
        CAPTURE(schema.dump());
        CHECK(contains(refusal_of_header([&](auto& header) { header["schema"] = schema; }),
                       "line 1: "));
    }
    CHECK(contains(refusal_of_header([](auto& header) { header["schema"] = 3; }),
                   "its schema is 3, not 1 or 2: another version wrote it"));
    CHECK(contains(refusal_of_header([](auto& header) { header["type"] = "baseline"; }),
                   "its type is not \"recording\""));
    CHECK(contains(refusal_of({window_line().dump()}), "line 1: \"schema\" is missing"));
    CHECK(contains(refusal_of({"[]"}), "line 1: "));
    CHECK(contains(refusal_of({"not json"}), "line 1: not JSON"));
    CHECK(contains(refusal_of({header_line().substr(0, 50)}), "line 1: not JSON, or cut short"));
}

TEST_CASE("a configuration that no detector runs with is refused", "[recording_file]") {
    const auto refused_with = [](const char* name, const ordered_json& value) {
        return refusal_of_header([&](auto& header) { header["config"][name] = value; });
    };
    CHECK(contains(refused_with("step_s", 0), "\"step_s\" is 0"));
    CHECK(contains(refused_with("detector_schema", JSG_SCHEMA + 1), "recorded by another version"));
    CHECK(contains(refused_with("detector_schema", 2), "recorded by another version"));
    CHECK(contains(refused_with("step_s", -1), "\"step_s\""));
    CHECK(contains(refused_with("step_s", 1e300), "\"step_s\""));
    CHECK(contains(refused_with("window_s", 0), "\"window_s\" is not 1 to 300"));
    CHECK(contains(refused_with("learn_s", 0), "\"learn_s\" is 0"));
    CHECK(contains(refused_with("false_alarm_exponent", 0), "\"false_alarm_exponent\" is not 1"));
    CHECK(contains(refused_with("false_alarm_exponent", JSG_SIGNIFICANCE_EXPONENTS + 1),
                   "\"false_alarm_exponent\" is not 1"));
    CHECK(contains(refused_with("confirm_windows", 0), "\"confirm_windows\" is 0"));
    CHECK(contains(refused_with("clear_windows", 0), "\"clear_windows\" is 0"));
    CHECK(contains(refused_with("window_s", 0.5), "\"window_s\" is not a whole number of steps"));
    CHECK(contains(refused_with("min_rate", 0), "\"min_rate\" is 0"));
    CHECK(contains(refused_with("readings_per_service", 0), "\"readings_per_service\" is not"));
    CHECK(contains(refused_with("readings_per_service", UINT32_MAX),
                   "\"readings_per_service\" is not"));
    CHECK(contains(refused_with("occupancy_threshold_bits", "any"), "occupancy_threshold_bits"));
    CHECK(contains(refused_with("occupancy_threshold_bits", 1.5), "occupancy_threshold_bits"));
    CHECK(contains(refused_with("monitor_listeners", 1),
                   "\"monitor_listeners\" is neither true nor false"));
    CHECK(refused_with("a_later_field", 1).empty());
}

TEST_CASE(
    "times of a configuration are whole seconds, and its window is one that a detector allows",
    "[recording_file]") {
    const auto refused_with = [](double step_s, double window_s) {
        return refusal_of_header([&](auto& header) {
            auto& config = header["config"];
            config["step_s"] = step_s;
            config["window_s"] = window_s;
            config["learn_s"] = 60 * step_s;
            config["readings_per_service"] =
                jsg_readings_needed(static_cast<std::uint32_t>(window_s / step_s));
        });
    };
    CHECK(refused_with(1, 10).empty());
    CHECK(refused_with(1, 300).empty());
    CHECK(refused_with(300, 300).empty());
    CHECK(contains(refused_with(0.5, 5), "\"step_s\" is not a whole number of seconds"));
    CHECK(contains(refused_with(1.5, 15), "\"step_s\" is not a whole number of seconds"));
    CHECK(contains(refused_with(1, 301), "\"window_s\" is not 1 to 300"));
    CHECK(contains(refused_with(100, 400), "\"window_s\" is not 1 to 300"));
    CHECK(contains(refused_with(301, 301), "\"window_s\" is not 1 to 300"));
}

TEST_CASE("the refusal of a missing field names it", "[recording_file]") {
    const auto each = [](const ordered_json& line, auto refusal_with) {
        int asked = 0;
        for (const auto& field : fields_of(line)) {
            if (is_optional(field.back())) continue;
            const auto without = [&](ordered_json& changed) {
                changed[field.parent_pointer()].erase(field.back());
            };
            CAPTURE(field.to_string());
            const std::string message = refusal_with(without);
            // A baseline without its total is from an earlier version.
            if (message.empty() && contains(field.to_string(), "baseline/")) continue;
            if (message.empty() && contains(field.to_string(), "pending_baseline/")) continue;
            CHECK(contains(message, fmt::format("\"{}\" is missing", field.back())));
            asked++;
        }
        return asked;
    };
    CHECK(each(ordered_json::parse(header_line()), refusal_of_header) > 20);
    CHECK(each(service_line(), refusal_of_service) > 30);
    CHECK(each(window_line(), refusal_of_window) > 40);
}

TEST_CASE("a value of the wrong type is refused in each field", "[recording_file]") {
    const auto each = [](const ordered_json& line, auto refusal_with) {
        for (const auto& field : fields_of(line)) {
            if (field.back() == "time") continue;
            for (const ordered_json& value : {ordered_json(-1), ordered_json(), ordered_json("x y"),
                                              ordered_json(1e300), ordered_json::array({1})}) {
                const bool is_text = line[field].is_string() && value.is_string();
                if (is_text && (field.back() == "host" || field.back() == "kernel")) continue;
                CAPTURE(field.to_string(), value.dump());
                CHECK_FALSE(refusal_with([&](auto& changed) { changed[field] = value; }).empty());
            }
        }
    };
    each(ordered_json::parse(header_line()), refusal_of_header);
    each(window_line(), refusal_of_window);
    each(service_line(), refusal_of_service);
}

TEST_CASE("a number that is not a count is refused by name", "[recording_file]") {
    for (const char* number : {"-1", "1.5", "1e2", "4294967296", "18446744073709551616", "\"5\"",
                               "null", "true", "[1]", "{}"}) {
        const auto value = ordered_json::parse(number);
        CAPTURE(number);
        for (const char* field : {"sockets", "exchanges", "port"})
            CHECK(contains(refusal_of_window([&](auto& line) { line[field] = value; }),
                           fmt::format("line 3: \"{}\" is not a whole number", field)));
        for (const char* signal : {"transitions", "occupancy"}) {
            CHECK(contains(refusal_of_window(
                               [&](auto& line) { line[signal]["counts"].begin().value() = value; }),
                           "line 3: \"" + window_line()[signal]["counts"].begin().key()));
            CHECK(contains(refusal_of_window(
                               [&](auto& line) { line["step"][signal].begin().value() = value; }),
                           "is not a whole number"));
        }
    }
}

TEST_CASE("an unknown word is refused by name", "[recording_file]") {
    CHECK(contains(refusal_of_window([](auto& line) { line["mode"] = "asleep"; }),
                   "line 3: unknown mode \"asleep\""));
    for (const char* signal : {"transitions", "occupancy"}) {
        CAPTURE(signal);
        CHECK(contains(refusal_of_window([&](auto& line) { line[signal]["verdict"] = "unknown"; }),
                       "unknown verdict \"unknown\""));
        CHECK(contains(refusal_of_window([&](auto& line) { line[signal]["alert"] = ""; }),
                       "unknown alert \"\""));
        CHECK(
            contains(refusal_of_window([&](auto& line) { line[signal]["counts"]["idle <1s"] = 1; }),
                     "unknown cell \"idle <1s\""));
        CHECK(contains(
            refusal_of_service([&](auto& line) { line["history"][0][signal]["A->B"] = 1; }),
            "line 2: unknown cell \"A->B\""));
        CHECK(
            contains(refusal_of_service([&](auto& line) { line[signal]["alert"]["state"] = "on"; }),
                     "unknown state \"on\""));
    }
    CHECK(contains(refusal_of_window([](auto& line) { line["type"] = "two\nlines"; }),
                   "line 3: unknown type \"two?lines\""));
    CHECK(contains(refusal_of_window([](auto& line) { line["type"] = 1; }),
                   "\"type\" is not a text"));
}

TEST_CASE("a field that this version does not know is ignored", "[recording_file]") {
    CHECK(refusal_of_window([](auto& line) { line["later"] = {{"x", -1}}; }).empty());
    CHECK(refusal_of_window([](auto& line) { line["occupancy"]["later"] = "x"; }).empty());
    CHECK(refusal_of_service([](auto& line) { line["later"] = nullptr; }).empty());
}

TEST_CASE("counts that do not add up to their total are refused", "[recording_file]") {
    const auto one_more = [](ordered_json& number) {
        number = number.template get<std::uint32_t>() + 1;
    };
    CHECK(contains(refusal_of_window([&](auto& line) { one_more(line["transitions"]["total"]); }),
                   "its \"counts\" add up to"));
    CHECK(contains(refusal_of_window([&](auto& line) { one_more(line["occupancy"]["samples"]); }),
                   "\"samples\" is"));
    for (const char* signal : {"transitions", "occupancy"}) {
        CAPTURE(signal);
        CHECK(contains(refusal_of_window(
                           [&](auto& line) { one_more(line[signal]["counts"].begin().value()); }),
                       "add up to"));
        CHECK(contains(refusal_of_window([&](auto& line) {
                           line[signal]["counts"].front() = UINT32_MAX;
                           line[signal]["counts"].back() = UINT32_MAX;
                       }),
                       "the total of \"counts\" is above"));
    }
}

TEST_CASE("a step whose counts do not fit into 32 bits together is refused", "[recording_file]") {
    const auto too_many = [](ordered_json& counts) {
        counts.front() = UINT32_MAX;
        counts.back() = UINT32_MAX;
    };
    for (const char* signal : {"transitions", "occupancy"}) {
        const std::string refused = fmt::format("the total of \"{}\" is above", signal);
        CHECK(contains(refusal_of_window([&](auto& line) { too_many(line["step"][signal]); }),
                       refused));
        CHECK(
            contains(refusal_of_service([&](auto& line) { too_many(line["history"][0][signal]); }),
                     refused));
    }
}

TEST_CASE("a list of another length is refused", "[recording_file]") {
    CHECK(
        contains(refusal_of_service([](auto& line) { line["state_entropies_bits"].push_back(0); }),
                 "17 numbers in place of 16"));
    CHECK(contains(refusal_of_service([](auto& line) { line["history"] = 1; }),
                   "\"history\" is not a list"));
}

TEST_CASE("an unsound baseline is refused", "[recording_file]") {
    CHECK(contains(refusal_of_service([](auto& line) { line["baseline"]["learned_s"] = -1; }),
                   "\"learned_s\""));
    const auto empty =
        ordered_json::parse(recording_line(RecordedBaseline{port, 61, jsg_baseline{}}));
    CHECK(contains(refusal_of({header_line(), service_line().dump(), empty.dump()}),
                   "line 3: \"baseline\" has seen too little traffic"));
    CHECK(contains(refusal_of({header_line(), service_line().dump(),
                               R"({"type":"baseline","port":8080,"sequence":61})"}),
                   "line 3: \"baseline\" is missing"));
}

TEST_CASE("a service that is monitored without a baseline is refused", "[recording_file]") {
    const auto refused_in = [](const char* mode) {
        return refusal_of_service([&](auto& line) {
            line["mode"] = mode;
            line.erase("baseline");
        });
    };
    CHECK(contains(refused_in("monitoring"),
                   "line 2: a service whose mode is monitoring has no \"baseline\""));
    CHECK(refused_in("learning").empty());
}

TEST_CASE("a duplicate key is refused, in a last line without newline too", "[recording_file]") {
    const std::string before = lines_of({header_line(), service_line().dump()});
    std::string line = window_line().dump();
    line.insert(1, "\"sequence\":61,");
    for (const char* end : {"\n", ""}) {
        const Recording file(before + line + end);
        CHECK(contains(refusal_of_path(file.path()), "line 3: \"sequence\" is there twice"));
    }
    const Recording deep(before + "[[[[[[[[[[]]]]]]]]]]");
    CHECK(contains(refusal_of_path(deep.path()), "line 3: nested too deeply"));
}

TEST_CASE("lines in the wrong order are refused", "[recording_file]") {
    Samples samples(5);
    const std::string service = service_line().dump();
    const auto window = [&](std::uint64_t sequence) {
        return recording_line(samples.window(port, sequence));
    };
    CHECK(refusal_of({header_line(), service, window(61), window(62)}).empty());
    CHECK(contains(refusal_of({header_line(), window(61)}),
                   "line 2: port 8080 has no line of type \"service\" before"));
    CHECK(contains(refusal_of({header_line(), service, window(62)}),
                   "line 3: \"sequence\" 62 of port 8080 comes after 60"));
    CHECK(contains(refusal_of({header_line(), service, window(0)}),
                   "line 3: \"sequence\" 0 of port 8080 comes after 60"));
    CHECK(contains(refusal_of({header_line(), service, window(60)}),
                   "line 3: \"sequence\" 60 of port 8080 comes after 60"));
    CHECK(contains(refusal_of({header_line(), service, window(61), window(61)}),
                   "line 4: \"sequence\" 61 of port 8080 comes after 61"));
    CHECK(contains(
        refusal_of({header_line(), service, recording_line(RecordedGap{port, 61, 9}), window(69)}),
        "line 4: \"sequence\" 69 of port 8080 comes after 69"));
    const std::string gap = recording_line(RecordedGap{port, 61, 9});
    CHECK(contains(refusal_of({header_line(), service, gap, window(71)}),
                   "line 4: \"sequence\" 71 of port 8080 comes after 69"));
    CHECK(contains(refusal_of({header_line(), service, recording_line(RecordedGap{port, 62, 9})}),
                   "\"sequence\" 62 of port 8080 comes after 60"));
    CHECK(contains(refusal_of({header_line(), service, recording_line(RecordedEnd{port, 61})}),
                   "\"sequence\" 61 of port 8080 comes after 60"));
    CHECK(contains(refusal_of({header_line(), recording_line(samples.service(port, 60)),
                               recording_line(samples.service(port, 61))}),
                   "\"sequence\" 61 of port 8080 comes after 60"));
    // An entry that happened within a gap follows it.
    const auto learned = [&](std::uint64_t sequence) {
        return recording_line(RecordedBaseline{port, sequence, samples.baseline()});
    };
    const auto relearning = [&](std::uint64_t sequence) {
        return recording_line(RecordedRelearning{port, sequence});
    };
    CHECK(refusal_of({header_line(), service, gap, window(70)}).empty());
    CHECK(refusal_of({header_line(), service, gap, learned(69), window(70)}).empty());
    CHECK(refusal_of({header_line(), service, gap, relearning(70), window(70)}).empty());
    CHECK(
        refusal_of({header_line(), service, gap, learned(69), relearning(70), window(70)}).empty());
    for (const std::uint64_t sequence : {68, 70})
        CHECK(contains(refusal_of({header_line(), service, gap, learned(sequence)}),
                       "line 4: \"sequence\""));
    for (const std::uint64_t sequence : {69, 71})
        CHECK(contains(refusal_of({header_line(), service, gap, relearning(sequence)}),
                       "line 4: \"sequence\""));
    CHECK(contains(refusal_of({header_line(), service, recording_line(RecordedGap{port, 60, 9})}),
                   "\"sequence\" 60 of port 8080 comes after 60"));
    CHECK(contains(refusal_of({header_line(), service, recording_line(RecordedGap{port, 61, 0})}),
                   "\"windows\" of a gap is 0"));
    CHECK(contains(
        refusal_of({header_line(), service, recording_line(RecordedGap{port, 61, UINT64_MAX})}),
        "\"windows\" of a gap is too large"));
    CHECK(
        contains(refusal_of({header_line(), service, recording_line(RecordedRelearning{port, 59})}),
                 "\"sequence\" 59 of port 8080 comes after 60"));
    CHECK(contains(
        refusal_of({header_line(), service, recording_line(RecordedEnd{port, 60}), window(61)}),
        "line 4: port 8080 has no line of type \"service\" before"));
    CHECK(contains(refusal_of({header_line(), service, window(61), service}),
                   "line 4: \"sequence\" 60 of port 8080 comes after 61"));
    for (const std::uint32_t no_port : {0U, 65536U})
        CHECK(contains(refusal_of({header_line(), recording_line(samples.service(no_port, 1))}),
                       "line 2: \"port\" is not 1 to 65535"));
    CHECK(contains(refusal_of({header_line(), header_line()}), "unknown type \"recording\""));
}

TEST_CASE("a line that was cut short within a recording is refused", "[recording_file]") {
    const std::string cut = window_line().dump().substr(0, 300);
    CHECK(contains(refusal_of({header_line(), service_line().dump(), cut}),
                   "line 3: not JSON, or cut short, at byte"));
    CHECK(contains(refusal_of({header_line(), "", service_line().dump()}), "line 2: not JSON"));
}

TEST_CASE("a line longer than the limit is refused and not kept", "[recording_file]") {
    CHECK(contains(refusal_of({header_line(), std::string((4 << 20) + 1, ' ')}),
                   "line 2: it is longer than 4194304 bytes"));
    CHECK(contains(refusal_of({std::string((4 << 20) + 1, '[')}), "line 1: it is longer than"));
    CHECK(contains(refusal_of({header_line(), std::string(1 << 20, '[')}), "nested too deeply"));
}

TEST_CASE("an unreadable recording is a usage error that names it", "[recording_file]") {
    const Recording pipe("");
    fs::remove(pipe.path());
    REQUIRE(mkfifo(pipe.path().c_str(), 0600) == 0);
    for (const fs::path& path : {pipe.path(), fs::temp_directory_path(), fs::path("/dev/zero"),
                                 fs::path("/absent/recording.jsonl"), fs::path("")}) {
        CAPTURE(path);
        const std::string message = refusal_of_path(path);
        CHECK(contains(message, fmt::format("cannot read the recording {}: ", path.string())));
        CHECK(contains(message, "; give a file that jsguard record wrote"));
    }
    const Recording empty("");
    CHECK(contains(refusal_of_path(empty.path()), empty.path().string() + ": it is empty; give"));
}
