// SPDX-License-Identifier: BSD-2-Clause
// Tests of the text of baseline files: reading gives what was written, and refuses unsound files.
#include "common/baseline_file.hpp"

#include <fmt/format.h>

#include <cstring>
#include <random>

#include "baseline_samples.hpp"
#include "kernel/spread.h"
#include "tests/catch_compat.hpp"

using namespace jsguard;

TEST_CASE("reading a file gives what was written, bit for bit", "[baseline_file]") {
    const Directory directory;
    const Baselines written = {
        {1, full_baseline(0)}, {80, full_baseline(7)}, {65535, full_baseline(9)}};
    write_baselines(directory / "b.json", written, origin);
    const Baselines read = read_baselines(directory / "b.json");
    REQUIRE(read.size() == written.size());
    for (const auto& [port, baseline] : written) {
        CAPTURE(port);
        CHECK(std::memcmp(&read.at(port), &baseline, sizeof(baseline)) == 0);
    }
}

TEST_CASE("people can read a file", "[baseline_file]") {
    const auto file = ordered_json::parse(baselines_to_json({{80, full_baseline(0)}}, origin));
    CHECK(file.at("schema") == 2);
    CHECK(file.at("host") == "web1");
    CHECK(file.at("kernel") == "6.18.0");
    CHECK(file.at("time") == "2026-01-02T03:04:05.678+00:00");
    const auto& written = file.at("services").at("80");
    CHECK(written.at("learned_s") == 60);
    CHECK(written.at("exchanges") == 1000);
    CHECK(written.at("transition_counts").at("ESTABLISHED->FIN_WAIT1") ==
          3 * jsg_transition_cell(JSG_TCP_ESTABLISHED, JSG_TCP_FIN_WAIT1));
    CHECK(written.at("occupancy_socket_seconds").at("request slow 8-16s") ==
          2 * (JSG_REQUEST_SLOW * JSG_AGES + 4));
    // The count of this cell is 0, so the file leaves it out.
    CHECK_FALSE(written.at("transition_counts").contains("NONE->NONE"));
}

TEST_CASE("the spread is written in bits, and its sums are not written", "[baseline_file]") {
    jsg_baseline baseline = full_baseline(0);
    baseline.spread[JSG_TRANSITIONS].sum_microbits = 12'345;
    baseline.spread[JSG_TRANSITIONS].sum_of_squares = 67'890;
    const std::string text = baselines_to_json({{80, baseline}}, origin);
    CHECK_FALSE(contains(text, "12345"));
    CHECK_FALSE(contains(text, "67890"));
    const auto written = ordered_json::parse(text).at("services").at("80");
    CHECK(written.at("accept_queue_full_s") == 3);
    CHECK(written.at("divergence_while_learning").dump() ==
          R"({"transitions":{"windows":51,"mean_bits":0.010000001,"deviation_bits":0.020000003,)"
          R"("maximum_bits":0.300000001},"occupancy":{"windows":1,"mean_bits":0.5,)"
          R"("deviation_bits":0.5,"maximum_bits":1.0}})");
    const jsg_spread read = baselines_from_json(text).at(80).spread[JSG_TRANSITIONS];
    CHECK(read.sum_microbits == 0);
    CHECK(read.sum_of_squares == 0);
    CHECK(read.maximum_nanobits == 300'000'001);
}

TEST_CASE("a spread is read as it was written, to the billionth of a bit", "[baseline_file]") {
    std::mt19937_64 random(1);
    jsg_baseline baseline = full_baseline(0);
    for (int i = 0; i < rounds(2000); ++i) {
        const auto up_to = [&](std::uint64_t limit) {
            return static_cast<std::uint32_t>(random() % (limit + 1));
        };
        baseline.learned_s = UINT32_MAX;
        for (jsg_spread& one : baseline.spread) {
            const std::uint32_t maximum = up_to(JSG_NANO), mean = up_to(maximum);
            const std::uint64_t max_variance = std::uint64_t{mean} * (maximum - mean);
            one = spread(1 + up_to(UINT32_MAX - 1), mean, up_to(jsg_square_root(max_variance)),
                         maximum);
        }
        const auto read = baselines_from_json(baselines_to_json({{80, baseline}}, origin)).at(80);
        CAPTURE(i);
        REQUIRE(std::memcmp(read.spread, baseline.spread, sizeof(baseline.spread)) == 0);
    }
}

TEST_CASE("a file of an earlier version, without spread and queue, is read", "[baseline_file]") {
    const jsg_baseline old = baselines_from_json(sound_file().dump()).at(8080);
    const jsg_spread nothing{};
    CHECK(old.queue_full_s == 0);
    for (const jsg_spread& one : old.spread)
        CHECK(std::memcmp(&one, &nothing, sizeof(nothing)) == 0);
    ordered_json file = sound_file();
    service(file)["divergence_while_learning"] = sound_spread();
    service(file)["accept_queue_full_s"] = 60;
    const jsg_baseline now = baselines_from_json(file.dump()).at(8080);
    CHECK(now.queue_full_s == 60);
    CHECK(now.spread[JSG_TRANSITIONS].windows == 40);
    CHECK(now.spread[JSG_TRANSITIONS].mean_nanobits == 10'000'000);
    CHECK(now.spread[JSG_TRANSITIONS].deviation_nanobits == 2'000'000);
    CHECK(now.spread[JSG_TRANSITIONS].maximum_nanobits == 20'000'000);
    CHECK(now.spread[JSG_OCCUPANCY].windows == 51);
    CHECK(now.spread[JSG_OCCUPANCY].mean_nanobits == 250'000'000);
    CHECK(now.spread[JSG_OCCUPANCY].maximum_nanobits == JSG_NANO);
}

TEST_CASE("a malformed spread is refused, and the message names the field", "[baseline_file]") {
    ordered_json file = sound_file();
    const auto refused_with = [&](const ordered_json& value) {
        service(file)["divergence_while_learning"] = value;
        return refusal_of(file.dump());
    };
    REQUIRE(refused_with(sound_spread()).empty());
    for (const char* signal : {"transitions", "occupancy"}) {
        for (const char* field : {"mean_bits", "deviation_bits", "maximum_bits"}) {
            for (const char* value : {"1.000001", "2", "-0.1", "-1", "1e300", "\"NaN\"", "\"0.1\"",
                                      "null", "true", "[0.1]", "{}"}) {
                ordered_json spoilt = sound_spread();
                spoilt[signal][field] = ordered_json::parse(value);
                CAPTURE(signal, field, value);
                CHECK(contains(refused_with(spoilt), fmt::format("port 8080: \"{}\"", field)));
            }
        }
        for (const char* value : {"-1", "1.5", "4294967296", "\"5\"", "null"}) {
            ordered_json spoilt = sound_spread();
            spoilt[signal]["windows"] = ordered_json::parse(value);
            CAPTURE(signal, value);
            CHECK(contains(refused_with(spoilt), "\"windows\""));
        }
        for (const char* field : {"windows", "mean_bits", "deviation_bits", "maximum_bits"}) {
            ordered_json spoilt = sound_spread();
            spoilt[signal].erase(field);
            CAPTURE(signal, field);
            CHECK(contains(refused_with(spoilt), fmt::format("\"{}\" is missing", field)));
        }
        ordered_json spoilt = sound_spread();
        spoilt.erase(signal);
        CHECK(contains(refused_with(spoilt), fmt::format("\"{}\" is missing", signal)));
        spoilt[signal] = 0.1;
        CHECK(contains(refused_with(spoilt), fmt::format("\"{}\" is not an object", signal)));
    }
    for (const char* value : {"null", "0.1", "[]", "\"x\""})
        CHECK(contains(refused_with(ordered_json::parse(value)), "divergence_while_learning"));
    CHECK_FALSE(refusal_of(R"({"schema":1,"services":{"80":{"learned_s":1,"exchanges":1,)"
                           R"("divergence_while_learning":{"transitions":{"mean_bits":NaN}}}}})")
                    .empty());
}

TEST_CASE("a spread that no windows can have is refused", "[baseline_file]") {
    const auto refused = [](std::uint32_t windows, double mean, double deviation, double maximum) {
        ordered_json file = sound_file();
        service(file)["divergence_while_learning"] = sound_spread();
        service(file)["divergence_while_learning"]["occupancy"] = {{"windows", windows},
                                                                   {"mean_bits", mean},
                                                                   {"deviation_bits", deviation},
                                                                   {"maximum_bits", maximum}};
        return refusal_of(file.dump());
    };
    CHECK(refused(60, 0.3, 0.1, 0.5).empty());
    CHECK(refused(61, 0.3, 0.1, 0.5) == "port 8080: \"windows\" is above \"learned_s\"");
    CHECK(contains(refused(UINT32_MAX, 1, 1, 0), "\"windows\""));
    const std::string none = "\"windows\" is 0";
    CHECK(refused(0, 0, 0, 0).empty());
    CHECK(contains(refused(0, 1, 0, 1), none));
    CHECK(contains(refused(0, 0, 1e-9, 0), none));
    CHECK(contains(refused(0, 0, 0, 1e-9), none));
    CHECK(contains(refused(9, 0.3, 0, 0.2), "\"mean_bits\" is above \"maximum_bits\""));
    CHECK(contains(refused(9, 1, 1, 0), "\"mean_bits\" is above"));
    // The deviation is largest if half of the windows are at 0 and half at 1.
    CHECK(refused(8, 0.5, 0.5, 1).empty());
    CHECK(contains(refused(8, 0.5, 0.51, 1), "\"deviation_bits\" is above"));
    CHECK(contains(refused(8, 0, 1, 1), "\"deviation_bits\" is above"));
    CHECK(contains(refused(8, 1, 1, 1), "\"deviation_bits\" is above"));
}

TEST_CASE("the spread of any windows is read", "[baseline_file]") {
    std::mt19937_64 random(2);
    for (int i = 0; i < rounds(3000); ++i) {
        jsg_baseline baseline = full_baseline(0);
        const std::uint64_t windows = 1 + random() % baseline.learned_s;
        // The largest value is random, from 0 to almost one bit. The values are spread evenly, or
        // each is 0 or the largest.
        const std::uint64_t largest = random() % JSG_NANO >> random() % 30;
        const bool at_the_ends = random() % 2;
        baseline.spread[JSG_OCCUPANCY] = jsg_spread{};
        for (std::uint64_t window = 0; window < windows; ++window)
            jsg_spread_add(&baseline.spread[JSG_OCCUPANCY],
                           static_cast<std::uint32_t>(at_the_ends ? random() % 2 * largest
                                                                  : random() % (largest + 1)));
        CAPTURE(i, largest);
        REQUIRE_NOTHROW(baselines_from_json(baselines_to_json({{80, baseline}}, origin)));
    }
}

TEST_CASE("a file of unknown time has no time", "[baseline_file]") {
    BaselineOrigin unknown = origin;
    unknown.unix_ms = 0;
    const std::string text = baselines_to_json({{80, full_baseline(0)}}, unknown);
    CHECK_FALSE(ordered_json::parse(text).contains("time"));
    CHECK(baseline_file_from_json(text).origin.unix_ms == 0);
}

TEST_CASE("a sound file is read, and its totals are added up", "[baseline_file]") {
    ordered_json file = sound_file();
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

TEST_CASE("a text that is not a baseline file is refused", "[baseline_file]") {
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
    for (const ordered_json& schema : {ordered_json(0), ordered_json(3), ordered_json("1"),
                                       ordered_json(1.5), ordered_json(-1), ordered_json()}) {
        ordered_json file = sound_file();
        file["schema"] = schema;
        CAPTURE(schema.dump());
        CHECK(contains(refusal_of(file.dump()), "schema"));
    }
}

TEST_CASE("a number that is not a count is refused", "[baseline_file]") {
    for (const char* number : {"-1", "1.5", "1.0", "1e2", "4294967296", "18446744073709551616",
                               "\"5\"", "null", "true", "[1]", "{}"}) {
        CAPTURE(number);
        for (const char* field : {"learned_s", "exchanges", "accept_queue_full_s", "transitions"}) {
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

TEST_CASE("too little traffic is no baseline, and the message names what is missing",
          "[baseline_file]") {
    const std::string refused = "port 8080: it has too little traffic to judge by: ";
    ordered_json transitions = sound_file();
    service(transitions)["transition_counts"]["LISTEN->SYN_RECV"] = 49;
    CHECK(refusal_of(transitions.dump()) == refused + "99 of 100 transitions");
    ordered_json occupancy = sound_file();
    service(occupancy)["occupancy_socket_seconds"]["waiting <1s"] = 0;
    CHECK(refusal_of(occupancy.dump()) == refused + "29 of 30 socket-seconds");
    ordered_json empty = sound_file();
    service(empty)["transition_counts"] = ordered_json::object();
    service(empty)["occupancy_socket_seconds"] = ordered_json::object();
    CHECK(refusal_of(empty.dump()) ==
          refused +
              "0 of 100 transitions, 0 of 30 socket-seconds, 0 of 20 episodes (a connection in a "
              "phase)");
    ordered_json time = sound_file();
    service(time)["learned_s"] = 0;
    CHECK(contains(refusal_of(time.dump()), "learned_s"));
}

TEST_CASE("a handful of episodes is no baseline, however long they were", "[baseline_file]") {
    ordered_json file = sound_file();
    auto& occupancy = service(file)["occupancy_socket_seconds"];
    occupancy = {{"request slow <1s", 19}, {"request slow 1-2s", 900}};
    service(file)["learned_s"] = 100;
    CHECK(refusal_of(file.dump()) ==
          "port 8080: it has too little traffic to judge by: 19 of 20 episodes (a connection in a "
          "phase)");
    occupancy["request slow <1s"] = 20;
    CHECK(refusal_of(file.dump()).empty());
}

TEST_CASE("the number of episodes depends on the step between samples", "[baseline_file]") {
    ordered_json file = sound_file();
    file["step_s"] = 1;
    auto& occupancy = service(file)["occupancy_socket_seconds"];
    occupancy = {{"request moving <1s", 20}, {"request moving 1-2s", 19}};
    CHECK(baseline_file_from_json(file.dump()).origin.step_s == 1);
    CHECK(baseline_file_from_json(sound_file().dump()).origin.step_s == 1);  // earlier versions
    file["step_s"] = 2;
    CHECK(contains(refusal_of(file.dump()), "19 of 20 episodes"));
    occupancy["request moving 1-2s"] = 20;
    CHECK(baseline_file_from_json(file.dump()).origin.step_s == 2);
    for (const char* step : {"0", "301", "-1", "1.5", "\"1\"", "null", "4294967297"}) {
        CAPTURE(step);
        file["step_s"] = ordered_json::parse(step);
        CHECK(contains(refusal_of(file.dump()), "\"step_s\""));
    }
}

TEST_CASE("totals in a file must equal the sums of the counts", "[baseline_file]") {
    ordered_json file = sound_file();
    service(file)["transitions"] = 100;
    service(file)["socket_seconds"] = 30;
    CHECK(refusal_of(file.dump()).empty());
    service(file)["transitions"] = 101;
    CHECK(
        contains(refusal_of(file.dump()), "\"transitions\" is 101, but the counts add up to 100"));
    service(file)["transitions"] = 100;
    for (const char* seconds : {"29", "31", "-30", "30.0", "\"30\"", "null"}) {
        CAPTURE(seconds);
        service(file)["socket_seconds"] = ordered_json::parse(seconds);
        CHECK(contains(refusal_of(file.dump()), "\"socket_seconds\""));
    }
    const auto written = ordered_json::parse(baselines_to_json({{80, full_baseline(0)}}, origin));
    CHECK(written["services"]["80"]["transitions"] == full_baseline(0).transitions);
    CHECK(written["services"]["80"]["socket_seconds"] ==
          full_baseline(0).judged_socket_seconds + full_baseline(0).waiting_socket_seconds);
    CHECK(written["step_s"] == 1);
}

TEST_CASE("a queue cannot have been full for longer than the learning took", "[baseline_file]") {
    ordered_json file = sound_file();
    service(file)["accept_queue_full_s"] = 61;
    CHECK(contains(refusal_of(file.dump()), "\"accept_queue_full_s\" is above \"learned_s\""));
}

TEST_CASE("host, kernel and time of a file are read, or unknown", "[baseline_file]") {
    const std::string text = baselines_to_json({{80, full_baseline(0)}}, origin);
    const BaselineOrigin read = baseline_file_from_json(text).origin;
    CHECK(read.host == origin.host);
    CHECK(read.kernel == origin.kernel);
    CHECK(read.unix_ms == origin.unix_ms);
    const BaselineOrigin unknown = baseline_file_from_json(sound_file().dump()).origin;
    CHECK((unknown.host.empty() && unknown.kernel.empty()));
    CHECK(unknown.unix_ms == 0);
    for (const char* key : {"host", "kernel", "time"}) {
        for (const char* value : {"1", "null", "[]", "{}"}) {
            ordered_json file = sound_file();
            file[key] = ordered_json::parse(value);
            CAPTURE(key, value);
            CHECK(contains(refusal_of(file.dump()), fmt::format("\"{}\" is not a text", key)));
        }
    }
    for (const char* time :
         {"yesterday", "2026-01-02", "2026-01-02T03:04:05", "2026-01-02T03:04:05.",
          "2026-01-02T03:04:05.67+00:00", "2026-01-02T03:04:05.678+01:00",
          "2026-13-02T03:04:05.678+00:00", "1026-01-02T03:04:05.678+00:00"}) {
        ordered_json file = sound_file();
        file["time"] = time;
        CAPTURE(time);
        CHECK(contains(refusal_of(file.dump()), "\"time\" is not a time"));
    }
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

TEST_CASE("a name that is not a port is refused", "[baseline_file]") {
    for (const char* name : {"0", "65536", "-1", "", "http", "80 ", "+80", "8e1"}) {
        ordered_json file = sound_file();
        file["services"][name] = service(file);
        CAPTURE(name);
        CHECK(contains(refusal_of(file.dump()), fmt::format("\"{}\" is no port", name)));
    }
}

TEST_CASE("a duplicate key is refused", "[baseline_file]") {
    ordered_json file = sound_file();
    const std::string one = service(file).dump();
    CHECK(
        contains(refusal_of(fmt::format(R"({{"schema":1,"services":{{"80":{0},"80":{0}}}}})", one)),
                 "\"80\" is there twice"));
    CHECK(contains(
        refusal_of(fmt::format(R"({{"schema":1,"services":{{"80":{0},"080":{0}}}}})", one)),
        "given twice"));
    CHECK(contains(refusal_of(R"({"schema":1,"services":{"80":{"exchanges":1,"exchanges":2}}})"),
                   "\"exchanges\" is there twice"));
    CHECK(
        refusal_of(fmt::format(R"({{"schema":1,"services":{{"80":{0},"81":{0}}}}})", one)).empty());
}

TEST_CASE("a refusal is one line, whatever the file contains", "[baseline_file]") {
    ordered_json file = sound_file();
    service(file)["transition_counts"]["two\nlines\x1b[31m"] = 1;
    const std::string message = refusal_of(file.dump());
    CHECK(contains(message, "two?lines?[31m"));
}
