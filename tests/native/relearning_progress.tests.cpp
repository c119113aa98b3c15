// SPDX-License-Identifier: BSD-2-Clause
// Tests of following services that relearn: the lines that are printed, and when the wait ends.
#include "load/options.hpp"
#include "observe/relearning.hpp"
#include "tests/catch_compat.hpp"

using namespace jsguard;

namespace {

using Lines = std::vector<std::string>;

struct Detector {
    Detector() : services(JSG_SERVICES) {
        Options options;
        options.step_s = 2;
        options.window_s = 10;
        options.learn_s = 60;
        config = make_config(options);
    }
    jsg_service& monitor(std::uint32_t service_id, std::uint32_t port,
                         jsg_mode mode = JSG_MONITORING) {
        services[service_id - 1].port = port;
        services[service_id - 1].mode = mode;
        services[service_id - 1].relearn_request = 7;
        return services[service_id - 1];
    }
    Lines follow(Relearning& relearning) const {
        return relearning.follow(services, [](std::uint32_t) { return jsg_baseline{}; });
    }

    std::vector<jsg_service> services;
    jsg_config config;
};

void accept_request(jsg_service& service) {
    service.relearn_request = 8;
    service.relearning = service.mode == JSG_MONITORING;
    service.learned_steps = 0;
}

void end_learning(jsg_service& service) {
    service.mode = JSG_MONITORING;
    service.relearning = 0;
    service.baselines_learned++;
}

}  // namespace

TEST_CASE("every service is waited for until it has learned as requested",
          "[relearning_progress]") {
    Detector detector;
    jsg_service& monitoring = detector.monitor(1, 8080);
    jsg_service& learning = detector.monitor(3, 80, JSG_LEARNING);
    detector.monitor(4, 81, JSG_LEAVING);
    monitoring.learned_steps = 30;
    Relearning relearning(detector.services, detector.config, {});
    CHECK(relearning.ports() == std::vector<std::uint16_t>{80, 8080});
    CHECK(relearning.learn_s() == 60);

    // One service ends its earlier learning before it accepts the request. That does not count.
    end_learning(learning);
    CHECK(detector.follow(relearning).empty());
    CHECK_FALSE(relearning.is_over());
    CHECK(relearning.done_s() == 0);

    accept_request(monitoring);
    accept_request(learning);
    CHECK(detector.follow(relearning) ==
          Lines{"port 8080: relearns; the old baseline stays in force until then",
                "port 80: relearns; the old baseline stays in force until then"});
    monitoring.learned_steps = 20;
    learning.learned_steps = 9;
    CHECK(detector.follow(relearning).empty());
    CHECK(relearning.done_s() == 18);

    monitoring.learned_steps = 31;
    end_learning(monitoring);
    CHECK(detector.follow(relearning) == Lines{"port 8080: learned its baseline in 62 s"});
    CHECK_FALSE(relearning.is_over());
    CHECK(relearning.learned() == std::vector<std::uint32_t>{1});
    learning.learned_steps = 30;
    end_learning(learning);
    CHECK(detector.follow(relearning) == Lines{"port 80: learned its baseline in 60 s"});
    CHECK(relearning.is_over());
    CHECK(relearning.learned() == std::vector<std::uint32_t>{1, 3});
    CHECK(detector.follow(relearning).empty());
}

TEST_CASE("a reading taken in the middle of a request does not end the wait",
          "[relearning_progress]") {
    Detector detector;
    jsg_service& service = detector.monitor(1, 80);
    Relearning relearning(detector.services, detector.config, {});
    service.relearn_request = 8;  // relearning is not set yet
    detector.follow(relearning);
    CHECK_FALSE(relearning.is_over());
    service.relearning = 1;
    detector.follow(relearning);
    CHECK_FALSE(relearning.is_over());
}

TEST_CASE("what learning waits for, and what it lacks, is printed once", "[relearning_progress]") {
    Detector detector;
    jsg_service& service = detector.monitor(2, 80, JSG_STILL_LEARNING);
    Relearning relearning(detector.services, detector.config, 80);
    accept_request(service);
    CHECK(detector.follow(relearning) == Lines{"port 80: begins its learning again"});
    service.alerts[JSG_OCCUPANCY].state = JSG_ALERT;
    CHECK(detector.follow(relearning) ==
          Lines{"port 80: an alert is up; learning waits until it has cleared"});
    service.alerts[JSG_OCCUPANCY].state = JSG_QUIET;
    service.learned_steps = 30;
    CHECK(detector.follow(relearning) ==
          Lines{"port 80: not enough traffic in 60 s (0 of 100 transitions, 0 of 30 "
                "socket-seconds, 0 of 20 episodes (a connection in a phase)); still learning"});
    service.alerts[JSG_OCCUPANCY].state = JSG_ALERT;
    CHECK(detector.follow(relearning).empty());
}

TEST_CASE("a service that leaves is not waited for", "[relearning_progress]") {
    Detector detector;
    detector.monitor(1, 80);
    jsg_service& other = detector.monitor(2, 81);
    Relearning relearning(detector.services, detector.config, {});
    detector.services[0].port = 82;  // another service has its ID now
    CHECK(detector.follow(relearning) == Lines{"port 80: no longer monitored; not waiting for it"});
    CHECK_FALSE(relearning.is_over());
    other.mode = JSG_LEAVING;
    detector.follow(relearning);
    CHECK(relearning.is_over());
    CHECK(relearning.learned().empty());
}

TEST_CASE("one port can be waited for alone", "[relearning_progress]") {
    Detector detector;
    detector.monitor(1, 80);
    detector.monitor(2, 81);
    CHECK(Relearning(detector.services, detector.config, 81).ports() ==
          std::vector<std::uint16_t>{81});
    CHECK(Relearning(detector.services, detector.config, 82).ports().empty());
}
