// SPDX-License-Identifier: BSD-2-Clause
// Tests of files of the earlier schema: reading them gives the same values as files of the present
// schema.
#include "common/file_schema.hpp"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <set>
#include <string>
#include <utility>

#include "baseline_samples.hpp"
#include "common/cells.hpp"
#include "recording_text.hpp"
#include "tests/catch_compat.hpp"

using nlohmann::ordered_json;

namespace {

using Pair = std::pair<const char*, const char*>;  // in schema 2, in schema 1

constexpr std::array renamed_fields = {
    Pair{"monitor_listeners", "guard_listeners"},
    Pair{"pinned", "stays"},
    Pair{"warnings", "doubts"},
    Pair{"pending_baseline", "lesson"},
    Pair{"samples", "looks"},
    Pair{"sampled_ppm", "looked_at_ppm"},
    Pair{"significance_bits", "chance_bits"},
    Pair{"stalled_sockets", "held_sockets"},
    Pair{"stalled_excess_sockets", "held_excess_sockets"},
    Pair{"above_steps", "over_steps"},
};
constexpr std::array renamed_phases = {
    Pair{"response slow", "response stalled"},
    Pair{"request slow", "request stalled"},
    Pair{"half closed", "unnoticed"},
};
constexpr std::array renamed_words = {
    Pair{"monitoring", "guarding"},
    Pair{"still learning", "learning on"},
    Pair{"above", "over"},
};

// The earlier names that a test used. So the test can check that it used all of them.
using Names = std::set<std::string>;

std::string earlier_key(const std::string& key, Names& seen) {
    for (const auto& [now, before] : renamed_fields) {
        if (key == now) return *seen.insert(before).first;
    }
    for (const auto& [now, before] : renamed_phases) {
        if (!key.starts_with(fmt::format("{} ", now))) continue;
        seen.insert(before);
        return before + key.substr(std::strlen(now));
    }
    return key;
}

// The same value as an earlier version wrote it.
ordered_json earlier(const ordered_json& value, Names& seen) {
    ordered_json written;
    if (value.is_object()) {
        written = ordered_json::object();
        for (const auto& [key, member] : value.items()) {
            ordered_json inner = earlier(member, seen);
            if (key == "schema") inner = 1;
            if (key == "mode" || key == "verdict") {
                for (const auto& [now, before] : renamed_words) {
                    if (member == now) inner = *seen.insert(before).first;
                }
            }
            written[earlier_key(key, seen)] = std::move(inner);
        }
        return written;
    }
    if (!value.is_array()) return value;
    written = ordered_json::array();
    for (const ordered_json& element : value) written.push_back(earlier(element, seen));
    return written;
}

Names all_names() {
    Names names;
    for (const auto& [now, before] : renamed_fields) names.insert(before);
    for (const auto& [now, before] : renamed_phases) names.insert(before);
    for (const auto& [now, before] : renamed_words) names.insert(before);
    return names;
}

std::string earlier_line(const std::string& line, Names& seen) {
    return earlier(ordered_json::parse(line), seen).dump();
}

// Lines in which each renamed field, cell and word occurs.
std::vector<std::string> present_lines() {
    using namespace recording_text;
    Samples samples(7);
    std::uint64_t sequence = 60;
    RecordedService service = samples.service(port, sequence);
    service.service.mode = JSG_MONITORING;
    service.baseline = samples.baseline();
    service.pending_baseline = samples.baseline();
    service.history = {samples.reading()};
    std::vector<std::string> lines = {header_line(), recording_line(service)};
    for (const auto& [mode, verdict] :
         {std::pair{JSG_STILL_LEARNING, JSG_ABOVE}, std::pair{JSG_MONITORING, JSG_NORMAL}}) {
        RecordedWindow window = samples.window(port, ++sequence);
        window.record.mode = mode;
        window.record.signal[JSG_TRANSITIONS].verdict = verdict;
        window.record.signal[JSG_OCCUPANCY].verdict = verdict;
        lines.push_back(recording_line(window));
    }
    lines.push_back(recording_line(RecordedBaseline{port, sequence, samples.baseline()}));
    return lines;
}

std::string refusal_of_header_with(const ordered_json& schema) {
    using namespace recording_text;
    ordered_json header = ordered_json::parse(header_line());
    header["schema"] = schema;
    const Recording file(lines_of({header.dump()}));
    return jsguard::refusal([&] { RecordingReader reader(file.path()); });
}

std::string refusal_of_baselines_with(const ordered_json& schema) {
    ordered_json file = jsguard::sound_file();
    file["schema"] = schema;
    return jsguard::refusal_of(file.dump());
}

}  // namespace

TEST_CASE("the present schema is 2, of recordings and of baseline files", "[file_schema]") {
    CHECK(jsguard::file_schema == 2);
    CHECK(ordered_json::parse(recording_text::header_line()).at("schema") == 2);
    const auto file = ordered_json::parse(
        jsguard::baselines_to_json({{80, jsguard::full_baseline(0)}}, jsguard::origin));
    CHECK(file.at("schema") == 2);
}

TEST_CASE("reading a recording of schema 1 gives the same values", "[file_schema]") {
    using namespace recording_text;
    Names seen;
    std::vector<std::string> earlier_lines;
    const std::vector<std::string> lines = present_lines();
    for (const std::string& line : lines) earlier_lines.push_back(earlier_line(line, seen));
    CHECK(seen == all_names());

    const Recording present(lines_of(lines)), before(lines_of(earlier_lines));
    RecordingReader present_reader(present.path()), reader(before.path());
    CHECK(recording_line(reader.header()) == recording_line(present_reader.header()));
    CHECK(recording_line(reader.header()) == lines[0]);
    std::size_t read = 1;
    while (const auto entry = reader.next()) {
        REQUIRE(read < lines.size());
        CAPTURE(read);
        CHECK(earlier_lines[read] != lines[read]);
        CHECK(recording_line(*entry) == lines[read++]);
    }
    CHECK(read == lines.size());
    CHECK(reader.cut_lines() == 0);
}

TEST_CASE("reading a baseline file of schema 1 gives the same values", "[file_schema]") {
    using namespace jsguard;
    const Baselines written = {{80, full_baseline(0)}, {443, full_baseline(7)}};
    const std::string text = baselines_to_json(written, origin);
    Names seen;
    const ordered_json before = earlier(ordered_json::parse(text), seen);
    CHECK(seen == Names{"response stalled", "request stalled", "unnoticed"});
    CHECK(before.at("schema") == 1);
    CHECK(before.at("services").at("80").at("occupancy_socket_seconds").contains("unnoticed <1s"));
    const BaselineFile read = baseline_file_from_json(before.dump());
    CHECK(baselines_to_json(read.baselines, read.origin) == text);
    REQUIRE(read.baselines.size() == written.size());
    for (const auto& [port, baseline] : written)
        CHECK(std::memcmp(&read.baselines.at(port), &baseline, sizeof(baseline)) == 0);
}

TEST_CASE("lines of the first version are read", "[file_schema]") {
    ordered_json line = ordered_json::parse(
        R"({"type":"window","mode":"learning on","looked_at_ppm":1000000,)"
        R"("transitions":{"chance_bits":0.5,"verdict":"over"},)"
        R"("occupancy":{"looks":9,"chance_bits":0,"verdict":"normal","held_sockets":0.9,)"
        R"("held_excess_sockets":0,)"
        R"("counts":{"request stalled <1s":4,"response stalled 32s+":3,"unnoticed 1-2s":2}},)"
        R"("list":[{"over_steps":1,"stays":true,"doubts":2,"lesson":{},"guard_listeners":false}]})");
    jsguard::to_present_schema(line, 1);
    CHECK(line.dump() ==
          R"({"type":"window","mode":"still learning","sampled_ppm":1000000,)"
          R"("transitions":{"significance_bits":0.5,"verdict":"above"},)"
          R"("occupancy":{"samples":9,"significance_bits":0,"verdict":"normal",)"
          R"("stalled_sockets":0.9,"stalled_excess_sockets":0,)"
          R"("counts":{"request slow <1s":4,"response slow 32s+":3,"half closed 1-2s":2}},)"
          R"("list":[{"above_steps":1,"pinned":true,"warnings":2,"pending_baseline":{},)"
          R"("monitor_listeners":false}]})");
    ordered_json monitored = ordered_json::parse(R"({"mode":"guarding"})");
    jsguard::to_present_schema(monitored, 1);
    CHECK(monitored.at("mode") == "monitoring");
}

TEST_CASE("only names and the words of mode and verdict are translated", "[file_schema]") {
    const std::string text =
        R"({"host":"guarding","kernel":"over","note":"request stalled <1s","mode":["over"],)"
        R"("request stalled":1,"held":2,"mode2":"learning on"})";
    ordered_json line = ordered_json::parse(text);
    jsguard::to_present_schema(line, 1);
    CHECK(line.dump() == text);
}

TEST_CASE("earlier names in a file of schema 2 are unknown", "[file_schema]") {
    using namespace recording_text;
    const std::string text = R"({"looks":1,"verdict":"over","mode":"guarding"})";
    ordered_json object = ordered_json::parse(text);
    jsguard::to_present_schema(object, 2);
    CHECK(object.dump() == text);

    Names seen;
    std::vector<std::string> lines = present_lines();
    for (std::size_t i = 1; i < lines.size(); ++i) lines[i] = earlier_line(lines[i], seen);
    const Recording file(lines_of(lines));
    RecordingReader reader(file.path());
    CHECK(jsguard::contains(jsguard::refusal([&] { reader.next(); }), "line 2: "));
    ordered_json baselines = jsguard::sound_file();
    jsguard::service(baselines)["occupancy_socket_seconds"]["request stalled <1s"] = 1;
    CHECK(jsguard::contains(jsguard::refusal_of(baselines.dump()),
                            "unknown cell \"request stalled <1s\""));
}

TEST_CASE("a schema that this version does not know is refused by its number", "[file_schema]") {
    for (const std::uint32_t schema : {0U, 3U, 4'294'967'295U}) {
        const std::string refused =
            fmt::format("its schema is {}, not 1 or 2: another version wrote it", schema);
        CAPTURE(schema);
        CHECK(jsguard::contains(refusal_of_header_with(schema), "line 1: " + refused));
        CHECK(refusal_of_baselines_with(schema) == refused);
    }
    for (const ordered_json& schema : {ordered_json("1"), ordered_json(1.5), ordered_json(-1),
                                       ordered_json(true), ordered_json()}) {
        CAPTURE(schema.dump());
        CHECK(
            jsguard::contains(refusal_of_header_with(schema), "\"schema\" is not a whole number"));
        CHECK(jsguard::contains(refusal_of_baselines_with(schema),
                                "\"schema\" is not a whole number"));
    }
}
