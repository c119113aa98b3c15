// SPDX-License-Identifier: BSD-2-Clause
// The scripts of the field lab's clients, without a network.
#include "field_kinds.hpp"

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/catch_compat.hpp"
#include "visits.hpp"

using namespace field;

namespace {

Script script_of(const std::string& name, unsigned number = 0) {
    const Kind& kind = find_kind(name);
    return kind.script(with_defaults({}, kind), number);
}

bool waits(const Step& step) {
    return step.action == Action::pause || step.action == Action::think ||
           step.action == Action::await;
}

}  // namespace

TEST_CASE("each loop of a script goes back, and waits for time or for the server") {
    for (const Kind& kind : kinds()) {
        for (unsigned number = 0; number < 28; number++) {
            const Script script = kind.script(with_defaults({}, kind), number);
            for (std::size_t at = 0; at < script.steps.size(); at++) {
                const Step& step = script.steps[at];
                if (step.action != Action::again && step.action != Action::more) continue;
                INFO(kind.name << ", step " << at);
                REQUIRE(step.to < at);
                const auto first = script.steps.begin();
                CHECK(std::any_of(first + static_cast<std::ptrdiff_t>(step.to),
                                  first + static_cast<std::ptrdiff_t>(at), waits));
            }
        }
    }
}

TEST_CASE("the names of kinds are unique, and an unknown one is refused") {
    std::set<std::string> names;
    for (const Kind& kind : kinds()) CHECK(names.insert(kind.name).second);
    CHECK_THROWS_AS(find_kind("no such kind"), std::runtime_error);
}

TEST_CASE("an attacker's request has no end of its head, and an honest one has") {
    const std::string end = "\r\n\r\n";
    for (const char* name : {"headers", "half", "half-trickled", "fast-open"})
        CHECK(script_of(name).steps.front().text.find(end) == std::string::npos);
    for (const char* name :
         {"keep-alive", "poll", "half-closing", "health-get", "download", "read"}) {
        const std::string text = script_of(name).steps.front().text;
        CHECK(text.size() > end.size());
        CHECK(text.substr(text.size() - end.size()) == end);
    }
}

TEST_CASE("visitors have lifetimes with a long tail, and end by themselves") {
    for (const Kind& kind : kinds()) {
        INFO(kind.name);
        const Script script = kind.script(with_defaults({}, kind), 0);
        const bool visits = kind.role == Role::visitor;
        CHECK(script.long_tailed == visits);
        if (!visits) continue;
        CHECK(script.steps.back().action == Action::close);
        CHECK(std::any_of(script.steps.begin(), script.steps.end(),
                          [](const Step& step) { return step.action == Action::more; }));
    }
    CHECK(visits::max_unused_s(8) == 120);
    CHECK(visits::max_unused_s(40) == 2);
}

TEST_CASE("lifetimes are from under a second to minutes, with a median of 1 s") {
    std::mt19937 random(1);
    std::vector<double> lifetimes_s(20'000);
    for (double& lifetime_s : lifetimes_s) lifetime_s = visits::draw_lifetime_s(random);
    std::sort(lifetimes_s.begin(), lifetimes_s.end());
    const auto share_above = [&](double s) {
        const auto first = std::upper_bound(lifetimes_s.begin(), lifetimes_s.end(), s);
        return static_cast<double>(lifetimes_s.end() - first) / lifetimes_s.size();
    };
    CHECK(lifetimes_s.front() >= 0.5);
    CHECK(share_above(1) == Approx(0.47).margin(0.02));
    CHECK(share_above(10) == Approx(0.037).margin(0.01));
    CHECK(share_above(60) == Approx(0.005).margin(0.003));
    CHECK(lifetimes_s.back() > 120);
    CHECK(lifetimes_s.back() <= visits::max_lifetime_s);
}

TEST_CASE("the settings of the command line replace the defaults of a kind") {
    const Kind& kind = find_kind("half");
    CHECK(kind.script(with_defaults({}, kind), 0).hold_s == 20);
    Settings settings;
    settings.hold_s = 0;
    CHECK(kind.script(with_defaults(settings, kind), 0).hold_s == 0);
}

TEST_CASE("the cells of 76 connections are four phases, each with all seven lifetimes") {
    std::set<std::pair<unsigned, double>> found;
    for (unsigned number = 0; number < 76; number++)
        found.insert({number % 4, script_of("cells", number).hold_s});
    CHECK(found.size() == 28);
}

TEST_CASE("messages of MQTT, Redis and PostgreSQL have their lengths") {
    const std::string connect = script_of("mqtt-publish", 7).steps.front().text;
    CHECK(connect == std::string("\x10\x16\0\4MQTT\4\2\xff\xff\0\12publisher7", 24));
    CHECK(script_of("redis-blpop", 3).steps.front().text ==
          "*3\r\n$5\r\nBLPOP\r\n$6\r\nqueue3\r\n$1\r\n0\r\n");
    const std::string startup = script_of("postgres-pool").steps.front().text;
    REQUIRE(startup.size() > 4);
    CHECK(static_cast<unsigned char>(startup[3]) == startup.size());
}
