// SPDX-License-Identifier: BSD-2-Clause
// Tests of recordings: what is written is read, nothing unsound is, and a long one in little
// memory.
#include "recording_file.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <functional>

#include "../catch_compat.hpp"
#include "cells.hpp"
#include "error.hpp"
#include "recorded_samples.hpp"

using namespace jsguard;
namespace fs = std::filesystem;
using nlohmann::ordered_json;

namespace {

// A file of these lines that goes at the end.
class Recording {
  public:
    explicit Recording(const std::string& text) {
        std::string name = (fs::temp_directory_path() / "jsguard-test-XXXXXX").string();
        const int file = mkstemp(name.data());
        if (file < 0) throw std::runtime_error("cannot make a file");
        close(file);
        path_ = name;
        std::ofstream(path_, std::ios::binary) << text;
    }
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;
    ~Recording() { fs::remove(path_); }
    const fs::path& path() const { return path_; }

  private:
    fs::path path_;
};

std::string lines_of(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
}

std::vector<RecordingEntry> entries_of(const std::string& text) {
    const Recording file(text);
    RecordingReader reader(file.path());
    std::vector<RecordingEntry> entries;
    while (auto entry = reader.next()) entries.push_back(*entry);
    return entries;
}

// What the refusal says; "" if there was none, or none of usage.
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

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

template <class Record>
bool same_bytes(const Record& a, const Record& b) {
    return std::memcmp(&a, &b, sizeof(Record)) == 0;
}

bool same(const std::optional<jsg_baseline>& a, const std::optional<jsg_baseline>& b) {
    return a.has_value() == b.has_value() && (!a || same_bytes(*a, *b));
}

constexpr std::uint32_t port = 8080;

std::string header_line() { return recording_line(Samples(1).header()); }
ordered_json parsed(const RecordingEntry& entry) {
    return ordered_json::parse(recording_line(entry));
}
ordered_json service_line() { return parsed(Samples(3).service(port, 60)); }
ordered_json window_line() { return parsed(Samples(3).window(port, 61)); }

// A change to one line, and the refusal of the recording with it.
using Change = std::function<void(ordered_json&)>;

std::string refusal_of_header(const Change& change) {
    ordered_json header = ordered_json::parse(header_line());
    change(header);
    return refusal_of({header.dump()});
}

std::string refusal_of_service(const Change& change) {
    RecordedService recorded = Samples(3).service(port, 60);
    recorded.baseline = Samples(4).baseline();
    recorded.lesson = Samples(5).baseline();
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

// Every field of line, with the fields of the objects in it, by a pointer; cells left out.
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

// Fields of people, which reading ignores, and those that may be left out.
bool is_optional(const std::string& name) {
    for (const char* optional : {"time", "baseline", "lesson", "accept_queue_full_s"}) {
        if (name == optional) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("a recording's header comes back as it went", "[recording_file]") {
    Samples samples(1);
    for (int i = 0; i < 300; ++i) {
        const RecordingHeader written = samples.header();
        const Recording file(recording_line(written) + "\n");
        const RecordingReader reader(file.path());
        CAPTURE(i, recording_line(written));
        CHECK(reader.header().host == written.host);
        CHECK(reader.header().kernel == written.kernel);
        CHECK(reader.header().unix_ms == written.unix_ms);
        REQUIRE(same_bytes(reader.header().config, written.config));
    }
}

TEST_CASE("a recorded service comes back byte for byte", "[recording_file]") {
    Samples samples(2);
    for (int i = 0; i < 200; ++i) {
        const RecordedService written = samples.service(port, samples.under(1'000'000));
        const auto entries = entries_of(lines_of({header_line(), recording_line(written)}));
        CAPTURE(i);
        REQUIRE(entries.size() == 1);
        const auto& read = std::get<RecordedService>(entries[0]);
        REQUIRE(same_bytes(read.service, written.service));
        REQUIRE(same(read.baseline, written.baseline));
        REQUIRE(same(read.lesson, written.lesson));
        REQUIRE(read.history.size() == written.history.size());
        for (std::size_t step = 0; step < read.history.size(); ++step)
            REQUIRE(same_bytes(read.history[step], written.history[step]));
    }
}

TEST_CASE("recorded windows come back byte for byte", "[recording_file]") {
    Samples samples(3);
    std::vector<RecordedWindow> written;
    std::string text = lines_of({header_line(), recording_line(samples.service(port, 0))});
    for (std::uint64_t sequence = 1; sequence <= 300; ++sequence) {
        written.push_back(samples.window(port, sequence));
        text += recording_line(written.back()) + "\n";
    }
    const auto entries = entries_of(text);
    REQUIRE(entries.size() == written.size() + 1);
    for (std::size_t i = 0; i < written.size(); ++i) {
        const auto& read = std::get<RecordedWindow>(entries[i + 1]);
        CAPTURE(i);
        REQUIRE(same_bytes(read.record, written[i].record));
        REQUIRE(read.threshold_nanobits == written[i].threshold_nanobits);
        REQUIRE(read.transitions == written[i].transitions);
        REQUIRE(read.occupancy == written[i].occupancy);
        REQUIRE(same_bytes(read.step, written[i].step));
        REQUIRE(read.listeners == written[i].listeners);
    }
}

TEST_CASE("what happens between windows comes back as it went", "[recording_file]") {
    Samples samples(4);
    const jsg_baseline baseline = samples.baseline();
    const auto entries = entries_of(lines_of(
        {header_line(), recording_line(samples.service(port, 10)),
         recording_line(RecordedBaseline{port, 10, baseline}),
         recording_line(RecordedRelearning{port, 11}), recording_line(RecordedGap{port, 11, 5}),
         recording_line(RecordedEnd{port, 15}), recording_line(samples.service(port, 3))}));
    REQUIRE(entries.size() == 6);
    const auto& learned = std::get<RecordedBaseline>(entries[1]);
    CHECK(learned.port == port);
    CHECK(learned.sequence == 10);
    CHECK(same_bytes(learned.baseline, baseline));
    CHECK(std::get<RecordedRelearning>(entries[2]).port == port);
    CHECK(std::get<RecordedRelearning>(entries[2]).sequence == 11);
    CHECK(std::get<RecordedGap>(entries[3]).port == port);
    CHECK(std::get<RecordedGap>(entries[3]).sequence == 11);
    CHECK(std::get<RecordedGap>(entries[3]).windows == 5);
    CHECK(std::get<RecordedEnd>(entries[4]).port == port);
    CHECK(std::get<RecordedEnd>(entries[4]).sequence == 15);
    CHECK(std::get<RecordedService>(entries[5]).service.sequence == 3);
}

TEST_CASE("the longest line that there can be is read", "[recording_file]") {
    RecordedService service = Samples(3).service(port, 60);
    jsg_reading full;
    std::memset(&full, 0xff, sizeof(full));
    service.history.assign(jsg_readings_needed(300), full);
    const std::string line = recording_line(service);
    CHECK(line.size() > 1 << 20);
    CHECK(
        std::get<RecordedService>(entries_of(lines_of({header_line(), line}))[0]).history.size() ==
        service.history.size());
}

TEST_CASE("a window reads as a person would write it", "[recording_file]") {
    RecordedWindow window = typical_window(port, 61);
    window.record.end_unix_ms = 1'767'323'045'678;
    window.record.mode = JSG_GUARDING;
    window.record.transition_js_nanobits = 10'000'001;
    window.record.open_millisockets = 12'300;
    window.record.held_millisockets = 7'000;
    window.record.occupancy_verdict = JSG_EXCESS_ONLY;
    window.threshold_nanobits = {120'000'000, 0};
    window.occupancy.fill(0);
    window.occupancy[JSG_REQUEST_STALLED * JSG_AGES + 4] = 5;
    const ordered_json line = parsed(window);
    CHECK(contains(line.dump(), R"({"type":"window","port":8080,"sequence":61,)"
                                R"("time":"2026-01-02T03:04:05.678+00:00",)"
                                R"("unix_ms":1767323045678,"end_ns":)"));
    CHECK(line.at("mode") == "guarding");
    CHECK(line.at("transitions").at("js_bits").dump() == "0.010000001");
    CHECK(line.at("transitions").at("threshold_bits").dump() == "0.12");
    CHECK(line.at("occupancy").at("threshold_bits") == "auto");
    CHECK(line.at("occupancy").at("looks") == 5);
    CHECK(line.at("occupancy").at("verdict") == "excess only");
    CHECK(line.at("occupancy").at("open_sockets").dump() == "12.3");
    CHECK(line.at("occupancy").at("held_sockets").dump() == "7");
    CHECK(line.at("occupancy").at("counts").dump() == R"({"request stalled 8-16s":5})");
}

TEST_CASE("a header of another schema or type is refused", "[recording_file]") {
    for (const ordered_json& schema : {ordered_json(0), ordered_json(2), ordered_json("1"),
                                       ordered_json(1.5), ordered_json(-1), ordered_json()}) {
        CAPTURE(schema.dump());
        CHECK(contains(refusal_of_header([&](auto& header) { header["schema"] = schema; }),
                       "line 1: "));
    }
    CHECK(contains(refusal_of_header([](auto& header) { header["schema"] = 2; }),
                   "its schema is not 1: another version wrote it"));
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
    CHECK(contains(refused_with("step_s", 0), "\"window_s\""));
    CHECK(contains(refused_with("step_s", -1), "\"step_s\""));
    CHECK(contains(refused_with("step_s", 1e300), "\"step_s\""));
    CHECK(contains(refused_with("window_s", 0), "\"window_s\" is not 1 to 1024 steps"));
    CHECK(contains(refused_with("window_s", 0.5), "\"window_s\" is not a whole number of steps"));
    CHECK(contains(refused_with("min_rate", 0), "\"min_rate\" is 0"));
    CHECK(contains(refused_with("readings_per_service", 0), "\"readings_per_service\" is not"));
    CHECK(contains(refused_with("readings_per_service", UINT32_MAX),
                   "\"readings_per_service\" is not"));
    CHECK(contains(refused_with("occupancy_threshold_bits", "any"), "occupancy_threshold_bits"));
    CHECK(contains(refused_with("occupancy_threshold_bits", 1.5), "occupancy_threshold_bits"));
    CHECK(contains(refused_with("guard_listeners", 1),
                   "\"guard_listeners\" is neither true nor false"));
    CHECK(refused_with("a_later_field", 1).empty());
}

TEST_CASE("each field is asked for by name", "[recording_file]") {
    const auto each = [](const ordered_json& line, auto refusal_with) {
        int asked = 0;
        for (const auto& field : fields_of(line)) {
            if (is_optional(field.back())) continue;
            const auto without = [&](ordered_json& changed) {
                changed[field.parent_pointer()].erase(field.back());
            };
            CAPTURE(field.to_string());
            const std::string message = refusal_with(without);
            // Without its total a baseline is one of an earlier version.
            if (message.empty() && contains(field.to_string(), "baseline/")) continue;
            if (message.empty() && contains(field.to_string(), "lesson/")) continue;
            CHECK(contains(message, fmt::format("\"{}\" is missing", field.back())));
            asked++;
        }
        return asked;
    };
    CHECK(each(ordered_json::parse(header_line()), refusal_of_header) > 20);
    CHECK(each(service_line(), refusal_of_service) > 30);
    CHECK(each(window_line(), refusal_of_window) > 40);
}

TEST_CASE("each field is refused where it is no such value", "[recording_file]") {
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

TEST_CASE("a number that is no count is refused by name", "[recording_file]") {
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

TEST_CASE("a field that this version does not know is passed over", "[recording_file]") {
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
    CHECK(contains(refusal_of_window([&](auto& line) { one_more(line["occupancy"]["looks"]); }),
                   "\"looks\" is"));
    for (const char* signal : {"transitions", "occupancy"}) {
        CAPTURE(signal);
        CHECK(contains(refusal_of_window(
                           [&](auto& line) { one_more(line[signal]["counts"].begin().value()); }),
                       "add up to"));
        CHECK(contains(refusal_of_window([&](auto& line) {
                           line[signal]["counts"].front() = UINT32_MAX;
                           line[signal]["counts"].back() = UINT32_MAX;
                       }),
                       "the total of \"counts\" is over"));
    }
}

TEST_CASE("a list of another length is refused", "[recording_file]") {
    CHECK(
        contains(refusal_of_service([](auto& line) { line["state_entropies_bits"].push_back(0); }),
                 "17 numbers in place of 16"));
    CHECK(contains(refusal_of_service([](auto& line) { line["history"] = 1; }),
                   "\"history\" is not a list"));
}

TEST_CASE("a baseline that is none is refused", "[recording_file]") {
    CHECK(contains(refusal_of_service([](auto& line) { line["baseline"]["learned_s"] = -1; }),
                   "\"learned_s\""));
    const auto empty =
        ordered_json::parse(recording_line(RecordedBaseline{port, 61, jsg_baseline{}}));
    CHECK(contains(refusal_of({header_line(), service_line().dump(), empty.dump()}),
                   "line 3: \"baseline\" has seen too little"));
    CHECK(contains(refusal_of({header_line(), service_line().dump(),
                               R"({"type":"baseline","port":8080,"sequence":61})"}),
                   "line 3: \"baseline\" is missing"));
}

TEST_CASE("a key that stands there twice is refused", "[recording_file]") {
    std::string line = window_line().dump();
    line.insert(1, "\"sequence\":61,");
    CHECK(contains(refusal_of({header_line(), service_line().dump(), line}),
                   "line 3: \"sequence\" stands there twice"));
}

TEST_CASE("lines in another order than they were written are refused", "[recording_file]") {
    Samples samples(5);
    const std::string service = service_line().dump();
    const auto window = [&](std::uint64_t sequence) {
        return recording_line(samples.window(port, sequence));
    };
    CHECK(refusal_of({header_line(), service, window(61), window(62)}).empty());
    CHECK(contains(refusal_of({header_line(), window(61)}),
                   "line 2: port 8080 has no line of type \"service\" before"));
    CHECK(contains(refusal_of({header_line(), service, window(60)}),
                   "line 3: \"sequence\" 60 of port 8080 comes after 60"));
    CHECK(contains(refusal_of({header_line(), service, window(61), window(61)}),
                   "line 4: \"sequence\" 61 of port 8080 comes after 61"));
    CHECK(contains(
        refusal_of({header_line(), service, recording_line(RecordedGap{port, 61, 9}), window(69)}),
        "line 4: \"sequence\" 69 of port 8080 comes after 69"));
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

TEST_CASE("a last line that was cut short is left out, and counted", "[recording_file]") {
    const std::string whole = lines_of({header_line(), service_line().dump()});
    const std::string window = window_line().dump();
    for (std::size_t length = 1; length < window.size(); length += 97) {
        const Recording file(whole + window.substr(0, length));
        RecordingReader reader(file.path());
        CAPTURE(length);
        CHECK(reader.next());
        CHECK_FALSE(reader.next());
        CHECK(reader.cut_lines() == 1);
        CHECK_FALSE(reader.next());
        CHECK(reader.cut_lines() == 1);
    }
    const Recording complete(whole + window);
    RecordingReader reader(complete.path());
    CHECK(reader.next());
    CHECK(reader.next());
    CHECK_FALSE(reader.next());
    CHECK(reader.cut_lines() == 0);
}

TEST_CASE("a line that was cut short within a recording is refused", "[recording_file]") {
    const std::string cut = window_line().dump().substr(0, 300);
    CHECK(contains(refusal_of({header_line(), service_line().dump(), cut}),
                   "line 3: not JSON, or cut short, at byte"));
    CHECK(contains(refusal_of({header_line(), "", service_line().dump()}), "line 2: not JSON"));
}

TEST_CASE("a line that is longer than any is refused without being kept", "[recording_file]") {
    CHECK(contains(refusal_of({header_line(), std::string((4 << 20) + 1, ' ')}),
                   "line 2: it is longer than 4194304 bytes"));
    CHECK(contains(refusal_of({std::string((4 << 20) + 1, '[')}), "line 1: it is longer than"));
    CHECK(contains(refusal_of({header_line(), std::string(1 << 20, '[')}), "nested too deeply"));
}

TEST_CASE("what is no readable recording is a usage error that names it", "[recording_file]") {
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

TEST_CASE("an hour of windows is read in under a second", "[recording_file]") {
    constexpr std::uint64_t windows = 3600;
    std::string text = lines_of({header_line(), recording_line(Samples(1).service(port, 0))});
    for (std::uint64_t sequence = 1; sequence <= windows; ++sequence)
        text += recording_line(typical_window(port, sequence)) + "\n";
    const Recording file(text);
    RecordingReader reader(file.path());
    CHECK(reader.bytes() == text.size());
    std::uint64_t entries = 0, last_bytes = 0;
    bool grows = true;
    const std::clock_t before = std::clock();  // its own time, whatever else runs
    while (reader.next()) {
        entries++;
        grows = grows && reader.bytes_read() > last_bytes;
        last_bytes = reader.bytes_read();
    }
    const double taken = static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
    CHECK(entries == windows + 1);
    CHECK(grows);
    CHECK(last_bytes == text.size());
#ifdef NDEBUG
    CAPTURE(text.size());
    CHECK(taken < 1.0);
#endif
}

TEST_CASE("a recording far larger than memory allows is read in little of it", "[recording_file]") {
    constexpr std::uint64_t windows = 20'000;
    const Recording file(lines_of({header_line(), recording_line(Samples(1).service(port, 0))}));
    {
        std::ofstream out(file.path(), std::ios::app);
        ordered_json line = parsed(typical_window(port, 1));
        for (std::uint64_t sequence = 1; sequence <= windows; ++sequence) {
            line["sequence"] = sequence;
            out << line.dump() << "\n";
        }
    }
    constexpr std::uint64_t allowed_kib = 8 << 10;
    REQUIRE(fs::file_size(file.path()) > 3 * 1024 * allowed_kib);
    const auto peak_kib = [] {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        return static_cast<std::uint64_t>(usage.ru_maxrss);
    };
    const std::uint64_t before = peak_kib();
    RecordingReader reader(file.path());
    std::uint64_t entries = 0;
    while (reader.next()) entries++;
    CHECK(entries == windows + 1);
    CHECK(peak_kib() - before < allowed_kib);
}
