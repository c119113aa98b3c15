// SPDX-License-Identifier: BSD-2-Clause
// Tests of following the learning of one service: which observations are news, and their lines.
#include "observe/service_learning.hpp"

#include "tests/catch_compat.hpp"

using namespace jsguard;

namespace {

constexpr std::uint32_t learn_s = 60, step_s = 2;
using Event = ServiceLearning::Event;
using Lines = std::vector<std::string>;

jsg_service service_in(jsg_mode mode) {
    jsg_service service{};
    service.port = 80;
    service.mode = mode;
    service.relearn_request = 7;
    return service;
}

Lines follow(ServiceLearning& learning, const jsg_service& now,
             const jsg_baseline& pending_baseline = {}) {
    Lines lines;
    for (const auto& news : learning.follow(now, [&] { return pending_baseline; }))
        lines.push_back(news.line);
    return lines;
}

void learn(jsg_service& service) {
    service.mode = JSG_MONITORING;
    service.relearning = 0;
    service.baselines_learned++;
}

void begin_again(jsg_service& service) {
    service.relearn_request++;
    service.relearning = service.mode == JSG_MONITORING;
    service.learned_steps = 0;
}

constexpr const char* lack =
    "port 80: not enough traffic in 60 s (0 of 100 transitions, 0 of 30 "
    "socket-seconds, 0 of 20 episodes (a connection in a phase)); still learning";

}  // namespace

TEST_CASE("a service that learns for the first time is reported when it has learned",
          "[service_learning]") {
    ServiceLearning learning(learn_s, step_s);
    jsg_service service = service_in(JSG_LEARNING);
    CHECK(follow(learning, service).empty());
    service.learned_steps = 30;
    CHECK(follow(learning, service).empty());
    CHECK(learning.learned_s() == 60);
    learn(service);
    const auto news = learning.follow(service, [] { return jsg_baseline{}; });
    REQUIRE(news.size() == 1);
    CHECK(news[0].event == Event::learned);
    CHECK(news[0].line == "port 80: learned its baseline in 60 s");
    CHECK(follow(learning, service).empty());
}

TEST_CASE("a service that is still learning is reported with what it lacks and how it is judged",
          "[service_learning]") {
    ServiceLearning learning(learn_s, step_s);
    jsg_service service = service_in(JSG_LEARNING);
    follow(learning, service);
    service.mode = JSG_STILL_LEARNING;
    service.learned_steps = 30;
    CHECK(follow(learning, service) == Lines{std::string(lack) + ", using the generic baseline"});
    CHECK(follow(learning, service).empty());
    service.alerts[JSG_OCCUPANCY].state = JSG_ALERT;
    CHECK(follow(learning, service) ==
          Lines{"port 80: an alert is up; learning waits until it has cleared"});
    begin_again(service);
    CHECK(follow(learning, service) == Lines{"port 80: begins its learning again"});
    service.alerts[JSG_OCCUPANCY].state = JSG_QUIET;
    service.learned_steps = 30;
    CHECK(follow(learning, service) == Lines{lack});
}

TEST_CASE("nothing is lacking while the step that ends learning is under way",
          "[service_learning]") {
    ServiceLearning learning(learn_s, step_s);
    jsg_service service = service_in(JSG_STILL_LEARNING);
    service.learned_steps = 40;
    jsg_baseline enough{};
    enough.learned_s = 80;
    enough.transitions = enough.judged_socket_seconds = 1000;
    enough.occupancy_socket_seconds[0] = 1000;
    CHECK(follow(learning, service, enough).empty());
    CHECK(follow(learning, service).size() == 1);
}

TEST_CASE("a loader that joins a detector while a service relearns reports that",
          "[service_learning]") {
    ServiceLearning learning(learn_s, step_s);
    jsg_service service = service_in(JSG_MONITORING);
    service.relearning = 1;
    CHECK(follow(learning, service) ==
          Lines{"port 80: relearns; the old baseline stays in force until then"});
    CHECK(follow(learning, service).empty());
}

TEST_CASE("a request that an earlier loader reported is not reported again", "[service_learning]") {
    ServiceLearning learning(learn_s, step_s);
    CHECK(follow(learning, service_in(JSG_MONITORING)).empty());
}

TEST_CASE("what was learned before a request is reported before the request",
          "[service_learning]") {
    jsg_service service = service_in(JSG_LEARNING);
    ServiceLearning learning(learn_s, step_s, service);
    learn(service);
    begin_again(service);
    CHECK(follow(learning, service) ==
          Lines{"port 80: learned its baseline in 0 s",
                "port 80: relearns; the old baseline stays in force until then"});
}

TEST_CASE("learning that begins and ends between two observations is reported at the next",
          "[service_learning]") {
    jsg_service service = service_in(JSG_LEARNING);
    ServiceLearning learning(learn_s, step_s, service);
    begin_again(service);
    service.learned_steps = 30;
    learn(service);
    follow(learning, service);
    CHECK(follow(learning, service) == Lines{"port 80: learned its baseline in 60 s"});
}
