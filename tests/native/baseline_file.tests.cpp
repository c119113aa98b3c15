// SPDX-License-Identifier: BSD-2-Clause
// Tests of baseline files: what is written is read, nothing unsound is, no file is half written.
#include "baseline_file.hpp"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "../catch_compat.hpp"
#include "error.hpp"

using namespace jsguard;
namespace fs = std::filesystem;
using nlohmann::ordered_json;

namespace {

// A folder of its own that goes with its contents.
class Folder {
  public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "jsguard-test-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a folder");
        path_ = name;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() { fs::remove_all(path_); }
    fs::path operator/(const char* name) const { return path_ / name; }
    std::ptrdiff_t files() const { return std::distance(fs::directory_iterator(path_), {}); }

  private:
    fs::path path_;
};

std::string content(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_text(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

const BaselineOrigin origin = {"web1", "6.18.0", 1'767'323'045'678};

jsg_baseline full_baseline(std::uint32_t seed) {
    jsg_baseline baseline{};
    baseline.learned_s = 60 + seed;
    baseline.exchanges = 1000 + seed;
    for (std::uint32_t cell = 0; cell < JSG_TRANSITION_CELLS; cell++) {
        baseline.transition_counts[cell] = seed + 3 * cell;
        baseline.transitions += seed + 3 * cell;
    }
    for (std::uint32_t cell = 0; cell < JSG_PHASE_CELLS; cell++) {
        baseline.occupancy_socket_seconds[cell] = seed + 2 * cell;
        (cell < JSG_JUDGED_CELLS ? baseline.judged_socket_seconds
                                 : baseline.waiting_socket_seconds) += seed + 2 * cell;
    }
    return baseline;
}

// A small sound file, to be spoilt in one place by a test.
ordered_json sound_file() {
    return ordered_json::parse(R"({"schema": 1, "services": {"8080": {
        "learned_s": 60, "exchanges": 500,
        "transition_counts": {"LISTEN->SYN_RECV": 50, "SYN_RECV->ESTABLISHED": 50},
        "occupancy_socket_seconds": {"request moving <1s": 29, "waiting <1s": 1}}}})");
}

ordered_json& service(ordered_json& file) { return file["services"]["8080"]; }

// What the refusal says; "" if there was none, or none of usage.
template <class Function>
std::string refusal(Function function) {
    try {
        function();
    } catch (const Error& error) {
        return error.code() == ExitCode::usage ? error.what() : "";
    }
    return "";
}

std::string refusal_of(const std::string& text) {
    return refusal([&] { baselines_from_json(text); });
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("what is written is read, bit for bit", "[baseline_file]") {
    const Folder folder;
    const Baselines written = {
        {1, full_baseline(0)}, {80, full_baseline(7)}, {65535, full_baseline(9)}};
    write_baselines(folder / "b.json", written, origin);
    const Baselines read = read_baselines(folder / "b.json");
    REQUIRE(read.size() == written.size());
    for (const auto& [port, baseline] : written) {
        CAPTURE(port);
        CHECK(std::memcmp(&read.at(port), &baseline, sizeof(baseline)) == 0);
    }
}

TEST_CASE("a file is for people too", "[baseline_file]") {
    const auto file = ordered_json::parse(baselines_to_json({{80, full_baseline(0)}}, origin));
    CHECK(file.at("schema") == 1);
    CHECK(file.at("host") == "web1");
    CHECK(file.at("kernel") == "6.18.0");
    CHECK(file.at("time") == "2026-01-02T03:04:05.678+00:00");
    const auto& written = file.at("services").at("80");
    CHECK(written.at("learned_s") == 60);
    CHECK(written.at("exchanges") == 1000);
    CHECK(written.at("transition_counts").at("ESTABLISHED->FIN_WAIT1") ==
          3 * jsg_transition_cell(JSG_TCP_ESTABLISHED, JSG_TCP_FIN_WAIT1));
    CHECK(written.at("occupancy_socket_seconds").at("request stalled 8-16s") ==
          2 * (JSG_REQUEST_STALLED * JSG_AGES + 4));
    // Nothing was counted in it, so it is left out.
    CHECK_FALSE(written.at("transition_counts").contains("NONE->NONE"));
}

TEST_CASE("a sound file is read, and its totals are added up", "[baseline_file]") {
    ordered_json file = sound_file();
    service(file)["transitions"] = 7;
    const jsg_baseline baseline = baselines_from_json(file.dump()).at(8080);
    CHECK(baseline.learned_s == 60);
    CHECK(baseline.exchanges == 500);
    CHECK(baseline.transitions == 100);
    CHECK(baseline.judged_socket_seconds == 29);
    CHECK(baseline.waiting_socket_seconds == 1);
    CHECK(baseline.transition_counts[jsg_transition_cell(JSG_TCP_LISTEN, JSG_TCP_SYN_RECV)] == 50);
    CHECK(baseline.occupancy_socket_seconds[JSG_REQUEST_MOVING * JSG_AGES] == 29);
}

TEST_CASE("a file cut short anywhere is refused", "[baseline_file]") {
    const std::string text = sound_file().dump();
    for (std::size_t length = 0; length < text.size(); length++) {
        CAPTURE(length);
        REQUIRE_FALSE(refusal_of(text.substr(0, length)).empty());
    }
}

TEST_CASE("what is no baseline file is refused", "[baseline_file]") {
    for (const char* text :
         {"", " ", "null", "1", "[]", "{}", "\"x\"", "{\"schema\":1}", "{\"services\":{}}",
          "{\"schema\":1,\"services\":{}}", "{\"schema\":1,\"services\":[]}",
          "{\"schema\":1,\"services\":{\"80\":null}}", "{\"schema\":1,\"services\":{\"80\":{}}}",
          "not json", "{\"schema\":NaN}", "\xff\xfe", "{\"schema\":1e999}"}) {
        CAPTURE(text);
        CHECK_FALSE(refusal_of(text).empty());
    }
    CHECK_FALSE(refusal_of(sound_file().dump() + "x").empty());
    CHECK(contains(refusal_of(std::string(1 << 20, '[')), "nested too deeply"));
    CHECK_FALSE(refusal_of(std::string("{\0}", 3)).empty());
}

TEST_CASE("a file of another schema is refused", "[baseline_file]") {
    for (const ordered_json& schema : {ordered_json(0), ordered_json(2), ordered_json("1"),
                                       ordered_json(1.5), ordered_json(-1), ordered_json()}) {
        ordered_json file = sound_file();
        file["schema"] = schema;
        CAPTURE(schema.dump());
        CHECK(contains(refusal_of(file.dump()), "schema"));
    }
}

TEST_CASE("a number that is no count is refused", "[baseline_file]") {
    for (const char* number : {"-1", "1.5", "1.0", "1e2", "4294967296", "18446744073709551616",
                               "\"5\"", "null", "true", "[1]", "{}"}) {
        CAPTURE(number);
        for (const char* field : {"learned_s", "exchanges"}) {
            ordered_json file = sound_file();
            service(file)[field] = ordered_json::parse(number);
            CHECK(contains(refusal_of(file.dump()), fmt::format("port 8080: \"{}\"", field)));
        }
        for (const char* cells : {"transition_counts", "occupancy_socket_seconds"}) {
            ordered_json file = sound_file();
            ordered_json& object = service(file)[cells];
            object.begin().value() = ordered_json::parse(number);
            CHECK(contains(refusal_of(file.dump()), object.begin().key()));
        }
    }
}

TEST_CASE("a missing field is refused by name", "[baseline_file]") {
    for (const char* field :
         {"learned_s", "exchanges", "transition_counts", "occupancy_socket_seconds"}) {
        ordered_json file = sound_file();
        service(file).erase(field);
        CAPTURE(field);
        CHECK(contains(refusal_of(file.dump()), field));
    }
}

TEST_CASE("an unknown cell is refused by name", "[baseline_file]") {
    for (const char* cells : {"transition_counts", "occupancy_socket_seconds"}) {
        for (const char* name : {"", "foo", "more open than expected", "14->1", "idle <1s"}) {
            ordered_json file = sound_file();
            service(file)[cells][name] = 1;
            CAPTURE(cells, name);
            CHECK(contains(refusal_of(file.dump()), fmt::format("unknown cell \"{}\"", name)));
        }
    }
}

TEST_CASE("too little is no baseline", "[baseline_file]") {
    ordered_json transitions = sound_file();
    service(transitions)["transition_counts"]["LISTEN->SYN_RECV"] = 49;
    CHECK(contains(refusal_of(transitions.dump()),
                   "99 transitions and 30 socket-seconds are too few"));
    ordered_json occupancy = sound_file();
    service(occupancy)["occupancy_socket_seconds"]["waiting <1s"] = 0;
    CHECK(contains(refusal_of(occupancy.dump()),
                   "100 transitions and 29 socket-seconds are too few"));
    ordered_json empty = sound_file();
    service(empty)["transition_counts"] = ordered_json::object();
    CHECK(contains(refusal_of(empty.dump()), "0 transitions"));
    ordered_json time = sound_file();
    service(time)["learned_s"] = 0;
    CHECK(contains(refusal_of(time.dump()), "learned_s"));
}

TEST_CASE("totals of more than 32 bits are refused, the largest is not", "[baseline_file]") {
    for (const char* cells : {"transition_counts", "occupancy_socket_seconds"}) {
        ordered_json file = sound_file();
        ordered_json& object = service(file)[cells];
        auto second = object.begin();
        const std::uint32_t other = (++second).value();
        object.begin().value() = UINT32_MAX - other;
        CAPTURE(cells);
        CHECK(refusal_of(file.dump()).empty());
        object.begin().value() = UINT32_MAX - other + 1;
        CHECK(contains(refusal_of(file.dump()), "total"));
    }
}

TEST_CASE("what is no port is refused", "[baseline_file]") {
    for (const char* name : {"0", "65536", "-1", "", "http", "80 ", "+80", "8e1"}) {
        ordered_json file = sound_file();
        file["services"][name] = service(file);
        CAPTURE(name);
        CHECK(contains(refusal_of(file.dump()), fmt::format("\"{}\" is no port", name)));
    }
}

TEST_CASE("a key that stands there twice is refused", "[baseline_file]") {
    ordered_json file = sound_file();
    const std::string one = service(file).dump();
    CHECK(
        contains(refusal_of(fmt::format(R"({{"schema":1,"services":{{"80":{0},"80":{0}}}}})", one)),
                 "\"80\" stands there twice"));
    CHECK(contains(
        refusal_of(fmt::format(R"({{"schema":1,"services":{{"80":{0},"080":{0}}}}})", one)),
        "given twice"));
    CHECK(contains(refusal_of(R"({"schema":1,"services":{"80":{"exchanges":1,"exchanges":2}}})"),
                   "\"exchanges\" stands there twice"));
    CHECK(
        refusal_of(fmt::format(R"({{"schema":1,"services":{{"80":{0},"81":{0}}}}})", one)).empty());
}

TEST_CASE("a refusal is one line, whatever the file holds", "[baseline_file]") {
    ordered_json file = sound_file();
    service(file)["transition_counts"]["two\nlines\x1b[31m"] = 1;
    const std::string message = refusal_of(file.dump());
    CHECK(contains(message, "two?lines?[31m"));
}

TEST_CASE("what is no readable file is a usage error that names it", "[baseline_file]") {
    const Folder folder;
    write_text(folder / "corrupt.json", "{");
    REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
    for (const fs::path& path : {folder / "absent.json", folder / "", folder / "pipe",
                                 folder / "corrupt.json", fs::path("/dev/zero")}) {
        CAPTURE(path);
        const std::string message = refusal([&] { read_baselines(path); });
        CHECK(contains(message, path.string()));
        CHECK(contains(message, "; give a file that --save-baseline wrote"));
    }
    CHECK(contains(refusal([&] { read_baselines(folder / "absent.json"); }),
                   "No such file or directory"));
}

TEST_CASE("a file larger than the cap is refused, one as large is read", "[baseline_file]") {
    constexpr std::size_t cap = 16 << 20;
    const Folder folder;
    std::string text = sound_file().dump();
    text.append(cap - text.size(), ' ');
    write_text(folder / "b.json", text);
    CHECK(read_baselines(folder / "b.json").size() == 1);
    write_text(folder / "b.json", text + " ");
    CHECK(contains(refusal([&] { read_baselines(folder / "b.json"); }), "larger than"));
}

TEST_CASE("a write replaces the whole file and leaves nothing beside it", "[baseline_file]") {
    const Folder folder;
    write_text(folder / "b.json", std::string(100'000, 'x'));
    write_baselines(folder / "b.json", {{80, full_baseline(1)}}, origin);
    CHECK(read_baselines(folder / "b.json").size() == 1);
    CHECK(folder.files() == 1);
    CHECK((fs::status(folder / "b.json").permissions() & fs::perms::all) ==
          static_cast<fs::perms>(0644));
}

TEST_CASE("a write that fails leaves the old file as it was", "[baseline_file]") {
    const Folder folder;
    write_text(folder / "b.json", "old");
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    const rlimit small = {100, before.rlim_max};
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    std::string message;
    ExitCode code = ExitCode::clean;
    try {
        write_baselines(folder / "b.json", {{80, full_baseline(1)}}, origin);
    } catch (const Error& error) {
        message = error.what();
        code = error.code();
    }
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, old_handler);
    CHECK(code == ExitCode::runtime);
    CHECK(contains(message, "File too large"));
    CHECK(content(folder / "b.json") == "old");
    CHECK(folder.files() == 1);
}

TEST_CASE("a link stays a link and its file is replaced", "[baseline_file]") {
    const Folder folder;
    write_text(folder / "b.json", "old");
    fs::create_symlink(folder / "b.json", folder / "link.json");
    write_baselines(folder / "link.json", {{80, full_baseline(1)}}, origin);
    CHECK(fs::is_symlink(folder / "link.json"));
    CHECK(read_baselines(folder / "b.json").size() == 1);
}

TEST_CASE("what cannot be a baseline file is refused before learning", "[baseline_file]") {
    const Folder folder;
    REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
    for (const fs::path& path : {folder / "", folder / "absent/b.json", folder / "pipe",
                                 folder / "absent/", fs::path("/dev/null")}) {
        CAPTURE(path);
        CHECK(contains(refusal([&] { check_baseline_target(path); }), "cannot write"));
        CHECK_THROWS_AS(write_baselines(path, {{80, full_baseline(1)}}, origin), Error);
    }
    CHECK(fs::is_character_file("/dev/null"));
    CHECK(fs::is_fifo(folder / "pipe"));
    CHECK_NOTHROW(check_baseline_target(folder / "new.json"));
    CHECK_NOTHROW(check_baseline_target("new-in-the-working-folder.json"));
    CHECK(folder.files() == 1);
}

TEST_CASE("no file is written without a baseline to write", "[baseline_file]") {
    const Folder folder;
    CHECK_THROWS_AS(write_baselines(folder / "b.json", {}, origin), Error);
    CHECK(folder.files() == 0);
}
