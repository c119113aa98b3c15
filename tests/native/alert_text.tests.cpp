// SPDX-License-Identifier: BSD-2-Clause
// Tests of the texts of an alert: the line for people and the JSON object.
#include "common/alert_text.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tests/catch_compat.hpp"
#include "texts.hpp"

using namespace jsguard;

namespace {

const Origin web1 = {"web1", "5f0c9a1e"};
constexpr std::uint64_t at_ms = 1'767'323'045'678;  // 2026-01-02T03:04:05.678

using Address = std::array<std::uint8_t, 8>;

jsg_source source(const Address& address, std::uint32_t prefix_bits, std::uint32_t sockets) {
    jsg_source source{};
    std::copy(address.begin(), address.end(), source.address);
    source.prefix_bits = prefix_bits;
    source.sockets = sockets;
    return source;
}

// An IPv4 address is in the first four of eight bytes. The other four are not part of the address.
jsg_source ipv4(const std::array<std::uint8_t, 4>& a, std::uint32_t sockets) {
    return source({a[0], a[1], a[2], a[3], 0xff, 0xff, 0xff, 0xff}, 32, sockets);
}

jsg_source ipv6(const Address& address, std::uint32_t sockets) {
    return source(address, 64, sockets);
}

// The alert of the example in the documentation.
jsg_alert example() {
    jsg_alert alert{};
    alert.number = 7;
    alert.at_unix_ms = at_ms;
    alert.since_unix_ms = at_ms - 2000;
    alert.event = JSG_RAISE;
    alert.signal = JSG_OCCUPANCY;
    alert.port = 8080;
    alert.js_nanobits = 413'200'000;
    alert.threshold_nanobits = 120'000'000;
    alert.significance_nanobits = 61'400'000;
    alert.peak_nanobits = 413'200'000;
    alert.window_s = 10;
    alert.transitions = 412;
    alert.sockets = 1718;
    alert.open_requests = 518;
    alert.open_millisockets = 540'250;
    alert.expected_millisockets = 40'400;
    alert.stalled_millisockets = 501'500;
    alert.top_count = 1;
    alert.top[0] = {occupancy(JSG_REQUEST_SLOW, 4), 710'000'000, 20'000'000, 310'000'000};
    alert.sources.sockets = 512;
    alert.sources.distinct = 2;
    alert.sources.top_count = 2;
    alert.sources.top[0] = ipv4({192, 0, 2, 7}, 480);
    alert.sources.top[1] = ipv6({0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2}, 32);
    return alert;
}

jsg_alert example_clear() {
    jsg_alert alert = example();
    alert.event = JSG_CLEAR;
    alert.js_nanobits = 21'000'000;
    alert.peak_nanobits = 980'000'000;
    alert.duration_ns = 43'210'400'000;
    alert.open_requests = 1;
    alert.top_count = 0;
    return alert;
}

}  // namespace

TEST_CASE("a raise as JSON has the documented fields in their order", "[alert_text]") {
    CHECK(alert_json(example(), web1) ==
          R"({"timestamp":"2026-01-02T03:04:05.678+00:00","event_type":"jsguard",)"
          R"("hostname":"web1","jsguard":{"schema":2,"event":"raise","id":"5f0c9a1e-7",)"
          R"("port":8080,"signal":"occupancy","js_bits":0.4132,"threshold_bits":0.12,)"
          R"("significance_bits":0.0614,"window_s":10,"since":"2026-01-02T03:04:03.678+00:00",)"
          R"("transitions":412,"sockets":1718,"open_requests":518,"open_sockets":540.25,)"
          R"("expected_sockets":40.4,"stalled_sockets":501.5,)"
          R"("top_cells":[{"cell":"request slow 8-16s","window":0.71,"baseline":0.02,)"
          R"("bits":0.31}],"sources":2,"sources_inexact":false,"source_sockets":512,)"
          R"("top_source_share":0.9375,"top_sources":[{"addr":"192.0.2.7","sockets":480},)"
          R"({"addr":"2001:db8:1:2::/64","sockets":32}]}})");
}

TEST_CASE("the JSON object of an alert equals its JSON text", "[alert_text]") {
    const auto object = alert_object(example(), web1);
    CHECK(object == nlohmann::ordered_json::parse(alert_json(example(), web1)));
}

TEST_CASE("a clear as JSON has its duration and peak after the field since", "[alert_text]") {
    CHECK(contains(alert_json(example_clear(), web1),
                   R"("since":"2026-01-02T03:04:03.678+00:00","duration_s":43.21,)"
                   R"("peak_js_bits":0.98,"transitions":412,)"));
}

TEST_CASE("an alert names the network namespace if only one is monitored", "[alert_text]") {
    jsg_alert alert = example();
    CHECK_FALSE(contains(alert_json(alert, web1), "netns"));
    CHECK_FALSE(contains(alert_line(alert), "namespace"));
    alert.netns = UINT32_MAX;
    CHECK(alert_line(alert).starts_with("ALERT port 8080 in network namespace 4294967295: "));
    CHECK(contains(alert_json(alert, web1),
                   R"("since":"2026-01-02T03:04:03.678+00:00","netns":4294967295,"transitions")"));
    alert.event = JSG_CLEAR;
    CHECK(contains(alert_json(alert, web1), R"(,"netns":4294967295,"transitions")"));
}

TEST_CASE("a clear as JSON has the id of its raise, its duration and its peak", "[alert_text]") {
    const auto object = nlohmann::json::parse(alert_json(example_clear(), web1)).at("jsguard");
    CHECK(object.at("event") == "clear");
    CHECK(object.at("id") == "5f0c9a1e-7");
    CHECK(object.at("duration_s") == 43.21);
    CHECK(object.at("peak_js_bits") == 0.98);
    CHECK(object.at("js_bits") == 0.021);
    CHECK(object.at("top_cells").empty());
}

TEST_CASE("JSON shows divergences exactly as the maps have them", "[alert_text]") {
    const struct {
        std::uint32_t nanobits;
        const char* text;
    } rows[] = {{0, "0.0"},
                {1, "1e-09"},
                {413'200'000, "0.4132"},
                {300'000'001, "0.300000001"},
                {999'999'999, "0.999999999"},
                {1'000'000'000, "1.0"}};
    for (const auto& row : rows) {
        jsg_alert alert = example();
        alert.js_nanobits = row.nanobits;
        CAPTURE(row.text);
        CHECK(contains(alert_json(alert, web1), std::string("\"js_bits\":") + row.text + ","));
    }
}

TEST_CASE("shares are rounded to millionths", "[alert_text]") {
    jsg_alert alert = example();
    alert.top[0].window_ppb = 333'333'333;
    alert.top[0].baseline_ppb = 666'666'667;
    CHECK(contains(alert_json(alert, web1), R"("window":0.333333,"baseline":0.666667)"));
}

TEST_CASE("a host name that is not UTF-8 does not prevent an alert", "[alert_text]") {
    const std::string line = alert_json(example(), {"w\xff\"eb\n", "i"});
    CHECK(nlohmann::json::parse(line).at("hostname") == "w\xef\xbf\xbd\"eb\n");
    CHECK_FALSE(contains(line, "\n"));
}

TEST_CASE("more top cells than there is room for are not read", "[alert_text]") {
    jsg_alert alert = example();
    alert.top_count = UINT32_MAX;
    const auto object = nlohmann::json::parse(alert_json(alert, web1)).at("jsguard");
    CHECK(object.at("top_cells").size() == JSG_TOP_CELLS);
}

TEST_CASE("a raise for people states what is wrong, in words", "[alert_text]") {
    CHECK(alert_line(example()) ==
          "ALERT port 8080: occupancy 0.413 bits from normal (threshold 0.12, significance bound "
          "0.061): "
          "requests stalled, 512 spread over 2 sources, 192.0.2.7 has 480 of them; 518 requests "
          "open, "
          "1718 sockets, on average 540 not idle (40 expected); request slow 8-16s: 71 % of the "
          "window, 2 % of the baseline");
}

TEST_CASE("a transition alert for people has the transitions, and who ended connections unusually",
          "[alert_text]") {
    jsg_alert alert = example();
    alert.signal = JSG_TRANSITIONS;
    alert.top[0].cell = jsg_transition_cell(JSG_TCP_SYN_RECV, JSG_TCP_CLOSE);
    alert.top[0].baseline_ppb = 0;
    CHECK(alert_line(alert) ==
          "ALERT port 8080: transitions 0.413 bits from normal (threshold 0.12, significance bound "
          "0.061): connections ended unusually, 512 spread over 2 sources, 192.0.2.7 has 480 of "
          "them; 412 transitions in 10 s, 518 requests open, 1718 sockets; SYN_RECV->CLOSE: 71 % "
          "of the window, 0 % of the baseline");
    alert.sources = {};
    CHECK(contains(alert_line(alert),
                   "): connections ended unusually, their sources not known; 412 transitions"));
}

TEST_CASE("the text for people names what is stalled, by the cell that deviates most",
          "[alert_text]") {
    const struct {
        jsg_phase phase;
        const char* words;
    } rows[] = {
        {JSG_RESPONSE_MOVING, "responses stalled"}, {JSG_RESPONSE_SLOW, "responses stalled"},
        {JSG_REQUEST_MOVING, "requests stalled"},   {JSG_REQUEST_SLOW, "requests stalled"},
        {JSG_CLOSING, "closings stalled"},          {JSG_HALF_CLOSED, "half-closed connections"},
        {JSG_WAITING, "silent connections stalled"}};
    CHECK(std::size(rows) == JSG_CELL_PHASES);
    for (const auto& row : rows) {
        for (std::uint32_t age = 0; age < JSG_AGES; ++age) {
            jsg_alert alert = example();
            alert.top[0].cell = occupancy(row.phase, age);
            CAPTURE(row.words, age);
            CHECK(contains(alert_line(alert), std::string("): ") + row.words + ", 512 spread"));
        }
    }
}

TEST_CASE("a cell that shrank and the excess cell do not name what is stalled", "[alert_text]") {
    jsg_alert alert = example();
    alert.top_count = 3;
    alert.top[0] = {JSG_CELL_EXCESS, 0, 850'000'000, 500'000'000};
    alert.top[1] = {occupancy(JSG_REQUEST_MOVING, 0), 10'000'000, 990'000'000, 400'000'000};
    alert.top[2] = {occupancy(JSG_WAITING, 6), 700'000'000, 1'000'000, 300'000'000};
    CHECK(contains(alert_line(alert), "): silent connections stalled, "));
    alert.top[2].window_ppb = alert.top[2].baseline_ppb;
    CHECK(contains(alert_line(alert), "): connections stalled, "));
    alert.top_count = 0;
    CHECK(contains(alert_line(alert), "): connections stalled, "));
}

TEST_CASE("the text for people names the sources of the connections", "[alert_text]") {
    jsg_alert alert = example();
    jsg_sources& sources = alert.sources;
    SECTION("from one") {
        sources.distinct = 1;
        sources.top[0].sockets = 512;
        CHECK(
            contains(alert_line(alert), ": requests stalled, all 512 from 1 source, 192.0.2.7; "));
    }
    SECTION("from one that is an IPv6 network") {
        sources.distinct = 1;
        sources.top[0] = sources.top[1];
        CHECK(contains(alert_line(alert), ", all 512 from 1 source, 2001:db8:1:2::/64; "));
    }
    SECTION("from many") {
        sources.distinct = 500;
        sources.top[0].sockets = 2;
        CHECK(contains(alert_line(alert),
                       ", 512 spread over 500 sources, 192.0.2.7 has 2 of them; "));
    }
    SECTION("from more sources than there are entries") {
        sources.distinct = 500;
        sources.inexact = 1;
        CHECK(contains(alert_line(alert),
                       ", 512 spread over about 500 sources, 192.0.2.7 has 480 of them; "));
        CHECK(contains(alert_json(alert, web1), R"("sources":500,"sources_inexact":true,)"));
    }
    SECTION("none were counted, because the window is the first that deviates") {
        sources = {};
        CHECK(contains(alert_line(alert), ": requests stalled, their sources not known; 518 "));
        CHECK(contains(alert_json(alert, web1),
                       R"("sources":0,"sources_inexact":false,"source_sockets":0,)"
                       R"("top_source_share":0.0,"top_sources":[]}})"));
    }
}

TEST_CASE("a source is an IPv4 address, or the network of an IPv6 one", "[alert_text]") {
    const struct {
        jsg_source source;
        const char* text;
    } rows[] = {{ipv4({192, 0, 2, 7}, 1), "192.0.2.7"},
                {ipv4({0, 0, 0, 0}, 1), "0.0.0.0"},
                {ipv4({255, 255, 255, 255}, 1), "255.255.255.255"},
                {ipv6({0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2}, 1), "2001:db8:1:2::/64"},
                {ipv6({0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0}, 1), "2001:db8::/64"},
                {ipv6({0xfe, 0x80, 0, 0, 0, 0, 0, 0}, 1), "fe80::/64"},
                // The network of ::1. An IPv4-mapped address would have the same network, so the
                // kernel gives it as IPv4.
                {ipv6({}, 1), "::/64"}};
    for (const auto& row : rows) {
        jsg_alert alert = example();
        alert.sources.top[0] = row.source;
        CAPTURE(row.text);
        CHECK(contains(alert_line(alert), std::string(" sources, ") + row.text + " has 1 of them"));
        CHECK(contains(alert_json(alert, web1),
                       std::string(R"("top_sources":[{"addr":")") + row.text + "\""));
    }
}

TEST_CASE("the top source's share is a part of all counted sockets, to a millionth",
          "[alert_text]") {
    const struct {
        std::uint32_t top, all;
        const char* text;
    } rows[] = {{1, 1, "1.0"},
                {1, 2, "0.5"},
                {1, 3, "0.333333"},
                {2, 3, "0.666667"},
                {1, 1'000'000, "1e-06"},
                {1, 3'000'000, "0.0"},
                {UINT32_MAX, UINT32_MAX, "1.0"}};
    for (const auto& row : rows) {
        jsg_alert alert = example();
        alert.sources.sockets = row.all;
        alert.sources.top[0].sockets = row.top;
        CAPTURE(row.top, row.all);
        CHECK(contains(alert_json(alert, web1),
                       std::string("\"top_source_share\":") + row.text + ","));
    }
}

TEST_CASE("more top sources than there is room for are not read", "[alert_text]") {
    jsg_alert alert = example();
    alert.sources.top_count = UINT32_MAX;
    const auto object = nlohmann::json::parse(alert_json(alert, web1)).at("jsguard");
    CHECK(object.at("top_sources").size() == JSG_TOP_SOURCES);
}

TEST_CASE("no alert states that it is an attack, because a back end may stall", "[alert_text]") {
    jsg_alert alert = example();
    for (const jsg_event event : {JSG_RAISE, JSG_CLEAR}) {
        alert.event = event;
        for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY}) {
            alert.signal = signal;
            for (std::uint32_t cell = 0; cell < JSG_TRANSITION_CELLS; ++cell) {
                alert.top[0].cell = cell;
                for (const std::uint32_t sockets : {0U, 512U}) {
                    alert.sources.sockets = sockets;
                    for (const std::string& text : {alert_line(alert), alert_json(alert, web1)}) {
                        CAPTURE(text);
                        CHECK_FALSE(contains(text, "attack"));
                        CHECK_FALSE(contains(text, "Attack"));
                        CHECK_FALSE(contains(text, "ATTACK"));
                    }
                }
            }
        }
    }
}

TEST_CASE("the text for people names the three cells that contribute most", "[alert_text]") {
    jsg_alert alert = example();
    alert.top_count = 4;
    alert.top[1] = {JSG_CELL_EXCESS, 0, 850'000'000, 200'000'000};
    alert.top[2] = {occupancy(JSG_REQUEST_MOVING, 0), 1'000'000, 995'000'000, 100'000'000};
    alert.top[3] = {occupancy(JSG_CLOSING, 6), 1, 1, 1};
    const std::string line = alert_line(alert);
    CHECK(contains(line, "; more open than expected; request moving <1s: <1 % of the window, "));
    CHECK(line.substr(line.size() - 21) == "100 % of the baseline");
    CHECK_FALSE(contains(line, "closing"));
}

TEST_CASE("a clear for people states the duration and the peak", "[alert_text]") {
    CHECK(alert_line(example_clear()) ==
          "CLEAR port 8080: occupancy after 43 s (peak 0.980 bits), now 0.021 (threshold 0.12), "
          "1 request open, 1718 sockets, on average 540 not idle (40 expected)");
}

TEST_CASE("a divergence too small for three decimals is not shown as zero", "[alert_text]") {
    jsg_alert alert = example();
    alert.js_nanobits = 345'678;
    alert.threshold_nanobits = 100'000;
    CHECK(contains(alert_line(alert),
                   "occupancy 0.000346 bits from normal (threshold 0.0001, "
                   "significance bound 0.061): "));
    alert.significance_nanobits = 0;
    CHECK(contains(alert_line(alert), "(threshold 0.0001, significance bound 0.000): "));
    alert.significance_nanobits = 9'876;
    CHECK(contains(alert_line(alert), "(threshold 0.0001, significance bound 9.88e-06): "));
}

TEST_CASE("the options choose the form of an alert", "[alert_text]") {
    AlertForm form;
    CHECK(alert_text(example(), web1, form) == alert_line(example()));
    form.timestamp = true;
    CHECK(alert_text(example(), web1, form) ==
          "2026-01-02T03:04:05.678+00:00 " + alert_line(example()));
    form.json = true;
    CHECK(alert_text(example(), web1, form) == alert_json(example(), web1));
}
