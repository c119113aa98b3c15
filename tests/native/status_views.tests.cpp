// SPDX-License-Identifier: BSD-2-Clause
// Tests of jsguard status: its screen, its JSON, and its messages.
#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "cli/status_figures.hpp"
#include "cli/status_json.hpp"
#include "cli/status_text.hpp"
#include "observation_samples.hpp"
#include "observe/following.hpp"
#include "tests/catch_compat.hpp"
#include "texts.hpp"

using namespace jsguard;
using nlohmann::ordered_json;

namespace {

std::string text_of(const Observation& seen) { return status_text(seen, {}); }
ordered_json json_of(const Observation& seen) { return ordered_json::parse(status_json(seen)); }

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

jsg_window& window_of(Observation& seen, std::size_t service) {
    return *seen.services[service].window;
}

// The text of port 80 alone, with an occupancy that has this verdict.
std::string text_of_verdict(jsg_verdict verdict, std::uint32_t js_nanobits) {
    Observation seen = samples::observation();
    seen.services.resize(1);
    seen.config.min_transitions = 100;
    seen.config.confirm_steps = 3;
    seen.services[0].service.alerts[JSG_OCCUPANCY].above_steps = 2;
    window_of(seen, 0).signal[JSG_OCCUPANCY].verdict = verdict;
    window_of(seen, 0).signal[JSG_OCCUPANCY].js_nanobits = js_nanobits;
    return text_of(seen);
}

Observation sixty_four_services() {
    Observation seen = samples::observation();
    seen.services.clear();
    for (std::uint32_t i = 0; i < JSG_SERVICES; ++i)
        seen.services.push_back(samples::observed(i + 1, samples::quiet_window(65'000 + i, 90)));
    return seen;
}

}  // namespace

TEST_CASE("the status of three services is one screen", "[status]") {
    CHECK(text_of(samples::observation()) ==
          R"(jsguard on web1, Linux 6.18.0, up 3 h 12 min
monitors the ports it was given in every network namespace; window 10 s, step 1 s, threshold 0.12
ALERT port 8080: occupancy above the threshold since 2026-01-02 03:00:45 UTC, raised 3 min 18 s ago, peak 0.960 bits

PORT  MODE              OCCUPANCY   TRANSITIONS  SOCKETS  REQUESTS
  80  monitoring        0.034/0.12  0.002/0.12      1203        11
 443  learning 23/60 s  -           -               1203        11
8080  monitoring        0.681/0.12  0.002/0.12      1703       511  ALERT
(OCCUPANCY, TRANSITIONS: divergence from normal/threshold, in bits; ~: the significance bound, where it is larger)

since the start: 30,000 windows, 700,000 transitions, 1 alert; nothing lost
cost: ticks 1.00 % of one CPU, maps 10.1 MiB, longest tick 45 us; the time per transition is not measured (sysctl kernel.bpf_stats_enabled=1 turns that on, at a small cost))");
}

TEST_CASE("the status of three services fits a terminal of 80 by 24", "[status]") {
    const auto lines = lines_of(status_text(samples::observation(), {.width = 80}));
    CHECK(lines.size() <= 23);  // one line is for the prompt
    for (const std::string& line : lines) CHECK(line.size() <= 80);
    CHECK(contains(status_text(samples::observation(), {.width = 80}),
                   "in bits; ~: the\n  significance bound, where it is larger)\n"));
}

TEST_CASE("on a narrow terminal the table leaves out columns and does not break lines",
          "[status]") {
    const auto table_in = [](std::size_t width) {
        std::string text = status_text(samples::observation(), {.width = width});
        text = text.substr(text.find("\n\n") + 2);
        return text.substr(0, text.find('('));
    };
    CHECK(table_in(73) == table_in(0));
    CHECK_FALSE(contains(table_in(64), "REQUESTS"));
    CHECK(table_in(50) ==
          R"(PORT MODE             OCCUPANCY  TRANSITIONS
  80 monitoring       0.034/0.12 0.002/0.12
 443 learning 23/60 s -          -
8080 monitoring       0.681/0.12 0.002/0.12  ALERT
)");
    CHECK(table_in(40) ==
          R"(PORT MODE             OCCUPANCY
  80 monitoring       0.034/0.12
 443 learning 23/60 s -
8080 monitoring       0.681/0.12 ALERT
)");
    CHECK(contains(table_in(24), "\n8080 0.681/0.12 ALERT\n"));
}

TEST_CASE("an alert that would scroll away is repeated at the end", "[status]") {
    const Observation seen = samples::observation();
    const std::string once = text_of(seen);
    const auto lines = lines_of(once).size();
    CHECK(status_text(seen, {.height = lines + 1}) == once);
    CHECK(status_text(seen, {.height = lines}) == once + "\n\n" + lines_of(once)[2]);
    Observation quiet = seen;
    quiet.services.resize(1);
    CHECK(status_text(quiet, {.height = 3}) == text_of(quiet));
}

TEST_CASE("the line that no alert is up names the requested port", "[status]") {
    Observation seen = samples::observation();
    keep_port(seen, 80);
    CHECK(contains(status_text(seen, {.port = 80}), "\nno alert is up for port 80\n"));
    CHECK(contains(text_of(seen), "\nno alert is up\n"));
}

TEST_CASE("broken lines lose no word at any width", "[status]") {
    const auto words = [](const std::string& text) {
        std::istringstream stream(text);
        return std::vector<std::string>(std::istream_iterator<std::string>(stream), {});
    };
    Observation seen = sixty_four_services();
    for (auto& service : seen.services)
        service.window->signal[JSG_OCCUPANCY].verdict = JSG_MOVING;  // names all ports
    const auto whole = words(text_of(seen));
    for (std::size_t width = 1; width < 200; ++width) {
        CAPTURE(width);
        auto shown = words(status_text(seen, {.width = width}));
        // The table is not compared, because it leaves out columns instead.
        const auto legend = [](auto& all) {
            return std::find(all.begin(), all.end(), "(OCCUPANCY,");
        };
        REQUIRE(std::equal(legend(shown), shown.end(), legend(whole), whole.end()));
    }
}

TEST_CASE("64 services that differ have one line each, and few others", "[status]") {
    Observation seen = sixty_four_services();
    for (auto& service : seen.services) {
        service.window->signal[JSG_OCCUPANCY].verdict = JSG_NO_EXCESS;
        service.service.sockets = service.service.port;
    }
    const auto lines = lines_of(text_of(seen));
    CHECK(lines.size() == JSG_SERVICES + 10);
    CHECK(std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
              return line.starts_with("650") && contains(line, "  monitoring  ");
          }) == JSG_SERVICES);
    CHECK(contains(text_of(seen), "\nports 65000-65063: occupancy above the threshold, but not "));
}

TEST_CASE("64 services with equal values fit one screen", "[status]") {
    Observation seen = sixty_four_services();
    CHECK(lines_of(text_of(seen)).size() == 10);
    CHECK(contains(text_of(seen), "\n65000-65063  monitoring  0.034/0.12  0.002/0.12      1203  "));
    // Ports are not joined across one that differs or is missing, and two alone are not joined.
    seen.services[10].service.sockets = 7;
    seen.services.erase(seen.services.begin() + 61);
    const std::string text = text_of(seen);
    CAPTURE(text);
    CHECK(lines_of(text).size() == 10 + 4);
    for (const char* port : {"\n65000-65009  ", "\n      65010  ", "\n65011-65060  ",
                             "\n      65062  ", "\n      65063  "})
        CHECK(contains(text, port));
}

TEST_CASE("the text states that nothing is monitored", "[status]") {
    Observation seen = samples::observation();
    seen.services.clear();
    CHECK(contains(text_of(seen),
                   "\nno alert is up\n\nNo port is monitored: none has had a connection yet.\n"));
    CHECK(json_of(seen)["services"] == ordered_json::array());
    CHECK(json_of(seen)["alerts_up"] == 0);
    CHECK(not_monitored_text(seen, 81) == "port 81 is not monitored; none is");
}

TEST_CASE("the message about a port that is not monitored lists those that are", "[status]") {
    Observation seen = samples::observation();
    CHECK(not_monitored_text(seen, 81) == "port 81 is not monitored; ports 80, 443, 8080 are");
    seen.services.resize(1);
    CHECK(not_monitored_text(seen, 81) == "port 81 is not monitored; port 80 is");
}

TEST_CASE("a killed detector is reported in one line", "[status]") {
    Observation seen = samples::observation();
    CHECK_FALSE(has_ended(seen));
    seen.silent_ns = 34 * second_ns;
    REQUIRE(has_ended(seen));
    CHECK(ended_text(false, seen.silent_ns, "/sys/fs/bpf/jsg\nuard") ==
          "the detector in /sys/fs/bpf/jsg?uard has shown no life for 34 s: it was killed and has "
          "left its maps behind; start jsguard-load again");
    CHECK(ended_text(true, 0, "/x") ==
          "the detector in /x has ended: its jsguard-load was killed and has left its maps behind; "
          "start jsguard-load again");
}

TEST_CASE("a detector without its loader has ended at once, unless it is persisted", "[status]") {
    Observation seen = samples::observation();
    seen.attended = false;
    CHECK(has_ended(seen));
    seen.is_persisted = true;
    CHECK_FALSE(has_ended(seen));
    seen.is_persisted = false;
    seen.attended.reset();  // unknown, as in another PID namespace
    CHECK_FALSE(has_ended(seen));
}

TEST_CASE("the text states that nobody reads the alerts, as long as the detector lives",
          "[status]") {
    constexpr const char* unread =
        "\nno jsguard-load reads its alerts: they are kept for the next one (jsguard-load "
        "--persist)\nALERT port 8080: ";
    Observation seen = samples::observation();
    CHECK_FALSE(contains(text_of(seen), "no jsguard-load"));
    CHECK(json_of(seen)["attended"] == true);
    seen.attended = false;
    seen.is_persisted = true;
    CHECK(contains(text_of(seen), unread));
    CHECK(json_of(seen)["attended"] == false);
    seen.silent_ns = 34 * second_ns;
    CHECK_FALSE(contains(text_of(seen), "no jsguard-load"));
    seen.silent_ns = 0;
    seen.attended.reset();
    CHECK_FALSE(contains(text_of(seen), "no jsguard-load"));
    CHECK(json_of(seen)["attended"].is_null());
}

TEST_CASE("the head states what is monitored", "[status]") {
    Observation seen = samples::observation();
    seen.host = "two\nlines";
    seen.config.monitor_listeners = 1;
    seen.config.netns = 4'026'532'177;
    seen.config.step_ns = 2 * second_ns;
    seen.config.transition_threshold_nanobits = 0;
    CHECK(contains(text_of(seen),
                   "jsguard on two?lines, Linux 6.18.0, up 3 h 12 min\n"
                   "monitors every port with an accepted connection in network namespace "
                   "4026532177; window 20 s, step "
                   "2 s, threshold auto of transitions and 0.12 of occupancy\n"));
    CHECK(json_of(seen)["netns"] == 4'026'532'177);
    CHECK(json_of(seen)["config"]["window_s"] == 20);
    CHECK(json_of(seen)["config"]["transition_threshold_bits"].is_null());
    CHECK(json_of(seen)["config"]["monitor_listeners"] == true);
    CHECK_FALSE(json_of(samples::observation()).contains("netns"));
}

TEST_CASE("without CAP_SYS_ADMIN unknown costs are shown as unknown, and not as 0", "[status]") {
    Observation seen = samples::observation();
    const jsg_ticks ticks = seen.cost.ticks;
    seen.cost = {};
    seen.cost.ticks = ticks;
    CHECK(contains(text_of(seen), "jsguard on web1, Linux 6.18.0\n"));
    CHECK(contains(text_of(seen),
                   "\ncost: longest tick 45 us; the rest is unknown without CAP_SYS_ADMIN"));
    CHECK(json_of(seen)["uptime_s"].is_null());
    CHECK(json_of(seen)["lost"]["missed_runs"].is_null());
    for (const char* unknown : {"tick_cpu_ratio", "map_bytes", "transition_run_s"})
        CHECK(json_of(seen)["cost"][unknown].is_null());
}

TEST_CASE("a service that is still learning is shown with what it lacks", "[status]") {
    Observation seen = samples::observation();
    ObservedService& service = seen.services[1];
    service.service.mode = JSG_STILL_LEARNING;
    service.service.learned_steps = 75;
    service.pending_baseline.emplace();
    service.pending_baseline->transitions = 12;
    CHECK(contains(text_of(seen), "\n 443  still learning  -  "));
    CHECK(contains(text_of(seen),
                   "port 443: still learning, has seen only 12 of 100 transitions, 0 of 30 "
                   "socket-seconds, 0 of 20 episodes (a connection in a phase)\n"));
    const auto learning = json_of(seen)["services"][1];
    CHECK(learning["mode"] == "still learning");
    CHECK(contains(learning["lacking"], "12 of 100 transitions"));
    CHECK(json_of(samples::observation())["services"][1]["lacking"].is_null());
}

TEST_CASE("services that lack the same share one line", "[status]") {
    Observation seen = sixty_four_services();
    seen.services.resize(3);
    for (ObservedService& service : seen.services) {
        service.service.mode = JSG_STILL_LEARNING;
        service.service.learned_steps = 60;
        service.pending_baseline.emplace();
    }
    CHECK(contains(text_of(seen), "ports 65000-65002: still learning, has seen only 0 "));
}

TEST_CASE("relearning is shown, and that it waits for an alert to clear", "[status]") {
    Observation seen = samples::observation();
    seen.services[2].service.relearning = 1;
    seen.services[2].service.learned_steps = 90;
    CHECK(contains(text_of(seen), "\n8080  relearning 60/60 s  0.681/0.12  "));
    CHECK(contains(text_of(seen), "port 8080: relearning waits until its alert has cleared\n"));
    CHECK(json_of(seen)["services"][2]["relearning"] == true);
    CHECK(json_of(seen)["services"][2]["learned_s"] == 90);
}

TEST_CASE("the warnings about a baseline are shown", "[status]") {
    Observation seen = samples::observation();
    CHECK_FALSE(contains(text_of(seen), "baseline"));
    seen.services[0].service.warnings =
        JSG_WARN_OLD_AND_STALLED | JSG_WARN_QUEUE_FULL | JSG_WARN_UNBALANCED;
    CHECK(contains(text_of(seen), "port 80: its baseline looks like an attack: most connections "));
    CHECK(contains(text_of(seen), "port 80: no transitions alert: while it learned, "));
    CHECK(json_of(seen)["services"][0]["warnings"] ==
          ordered_json({"old and silent", "queue full", "unbalanced"}));
    CHECK(json_of(seen)["services"][1]["warnings"] == ordered_json::array());
}

TEST_CASE("a threshold that is not set yet is shown as auto", "[status]") {
    Observation seen = samples::observation();
    seen.services[0].service.threshold_nanobits[JSG_OCCUPANCY] = 0;
    CHECK(contains(text_of(seen), "  0.034/auto  0.002/0.12  "));
    CHECK(json_of(seen)["services"][0]["signals"][1]["threshold_bits"].is_null());
    seen.services[0].window.reset();
    CHECK(contains(text_of(seen),
                   "  80  monitoring        -           -               1203         -\n"));
    CHECK(json_of(seen)["services"][0]["window"].is_null());
}

TEST_CASE("the significance bound replaces the threshold if it is larger", "[status]") {
    Observation seen = samples::observation();
    window_of(seen, 0).signal[JSG_TRANSITIONS].significance_nanobits = 120'000'001;
    window_of(seen, 0).signal[JSG_OCCUPANCY].significance_nanobits = 4'000'000'000;
    CHECK(contains(text_of(seen), "  80  monitoring        0.034/~1    0.002/~0.12  "));
    CHECK(json_of(seen)["services"][0]["signals"][1]["significance_bits"] == 4.0);
}

TEST_CASE("unusual verdicts are explained in words, usual ones are not", "[status]") {
    CHECK(contains(text_of_verdict(JSG_NOT_ENOUGH_TRAFFIC, 130'000'000),
                   "port 80: occupancy above the threshold, but within the significance bound\n"));
    CHECK(contains(text_of_verdict(JSG_NOT_ENOUGH_TRAFFIC, 10'000'000),
                   "port 80: occupancy under 100 in the window: too few for an alert\n"));
    CHECK(contains(text_of_verdict(JSG_MOVING, 130'000'000),
                   "occupancy more open than expected, "
                   "but they move"));
    CHECK(contains(text_of_verdict(JSG_EXCESS_ONLY, 10'000'000), "of normal phases and ages"));
    CHECK(contains(text_of_verdict(JSG_NO_EXCESS, 130'000'000), "not more open than expected"));
    CHECK(contains(text_of_verdict(JSG_UNBALANCED, 130'000'000), "mostly close"));
    CHECK(contains(text_of_verdict(JSG_ABOVE, 130'000'000),
                   "port 80: occupancy above the threshold, 2 of the 3 windows in a row that raise "
                   "an alert\n"));
    CHECK(contains(text_of_verdict(JSG_NOTHING_SEEN, 0), "  nothing seen  0.002/0.12  "));
    CHECK_FALSE(contains(text_of_verdict(JSG_NORMAL, 10'000'000), "port 80:"));
}

TEST_CASE("a full accept queue is shown", "[status]") {
    Observation seen = samples::observation();
    window_of(seen, 0).full_queues = 1;
    CHECK(contains(text_of(seen), "port 80: an accept queue is full\n"));
    CHECK(json_of(seen)["services"][0]["window"]["full_queues"] == 1);
}

TEST_CASE("two alerts of one port are two lines, and a clearing alert is marked", "[status]") {
    Observation seen = samples::observation();
    seen.config.clear_steps = 10;
    jsg_service& service = seen.services[2].service;
    service.alerts[JSG_TRANSITIONS] = service.alerts[JSG_OCCUPANCY];
    service.alerts[JSG_TRANSITIONS].clear_steps = 4;
    CHECK(alerts_up(seen) == 2);
    CHECK(contains(text_of(seen),
                   "peak 0.960 bits\nALERT port 8080: transitions above the threshold since "
                   "2026-01-02 03:00:45 UTC, "
                   "raised 3 min 18 s ago, peak 0.960 bits; clearing, 4 of 10 windows\n"));
    CHECK(json_of(seen)["alerts_up"] == 2);
}

TEST_CASE("the age of an alert does not depend on the clock", "[status]") {
    Observation seen = samples::observation();
    seen.unix_ms = seen.services[2].service.alerts[JSG_OCCUPANCY].since_unix_ms - 1;
    CHECK(contains(text_of(seen), ", raised 3 min 18 s ago, peak"));
    CHECK(json_of(seen)["services"][2]["signals"][1]["duration_s"] == 198.005);
    seen.services[2].service.alerts[JSG_OCCUPANCY].raised_ns = seen.cost.ticks.last_ns + second_ns;
    CHECK(contains(text_of(seen), ", raised 0 s ago, peak"));
    CHECK(json_of(seen)["services"][2]["signals"][1]["duration_s"] == 0.0);
}

TEST_CASE("each loss is shown by its name", "[status]") {
    Observation seen = samples::observation();
    seen.stats.windows_lost = 2;
    seen.stats.steps_late = 7;
    seen.cost.missed_runs = 5;
    CHECK(contains(text_of(seen), "; lost or left out: 2 window records, 7 steps"));
    CHECK_FALSE(contains(text_of(seen), "nothing lost"));
    const auto lost = json_of(seen)["lost"];
    CHECK(lost["missed_runs"] == 5);
    CHECK(lost["windows_lost"] == 2);
    CHECK(lost["steps_late"] == 7);
    CHECK(lost["alerts_lost"] == 0);
    CHECK(lost.size() == 10);
}

TEST_CASE("the cost of a transition is shown if the kernel measures it", "[status]") {
    Observation seen = samples::observation();
    seen.cost.programs.back() = {"jsg_transition", 1'000, 512'400};
    CHECK(contains(text_of(seen), "longest tick 45 us; 512 ns a transition"));
    CHECK_FALSE(contains(text_of(seen), "sysctl"));
    CHECK(json_of(seen)["cost"]["transition_run_s"] == Approx(512.4e-9));
    CHECK(json_of(samples::observation())["cost"]["transition_run_s"].is_null());
}

TEST_CASE("colour is a red ALERT and nothing else", "[status]") {
    const Observation seen = samples::observation();
    std::string coloured = status_text(seen, {.colour = true});
    CHECK(contains(coloured, "\n\033[1;31mALERT\033[0m port 8080: "));
    for (const std::string code : {"\033[1;31m", "\033[0m"}) {
        int found = 0;
        for (auto at = coloured.find(code); at != std::string::npos; at = coloured.find(code)) {
            coloured.erase(at, code.size());
            ++found;
        }
        CHECK(found == 2);
    }
    CHECK(coloured == text_of(seen));
}

TEST_CASE("the JSON of a service under attack", "[status]") {
    CHECK(
        json_of(samples::observation())["services"][2].dump() ==
        R"({"port":8080,"mode":"monitoring","relearning":false,"learned_s":0,"baselines_learned":1,)"
        R"("lacking":null,"warnings":[],"listeners":1,"untracked_sockets":0,"signals":[)"
        R"({"signal":"transitions","js_bits":0.002345678,"threshold_bits":0.12,"significance_bits":0.01,)"
        R"("verdict":"normal","alert":"quiet"},)"
        R"({"signal":"occupancy","js_bits":0.681234567,"threshold_bits":0.12,"significance_bits":0.09,)"
        R"("verdict":"above","alert":"alert","id":"5f0c9a1e0001-1","number":1,"since":"2026-01-02T03:00:45.678+00:00",)"
        R"("duration_s":198.005,"peak_js_bits":0.96}],)"
        R"("window":{"sequence":11460,"end":"2026-01-02T03:04:05.278+00:00","transitions":4000,)"
        R"("exchanges":900,"sockets":1703,"idle_sockets":1180,"waiting_sockets":2,)"
        R"("open_requests":511,"open_sockets":520.5,"expected_sockets":19.25,)"
        R"("stalled_sockets":515,"full_queues":0}})");
}

TEST_CASE("the JSON of a service that is not judged has no divergence", "[status]") {
    const auto learning = json_of(samples::observation())["services"][1];
    for (const auto& signal : learning["signals"]) {
        CHECK(signal["js_bits"].is_null());
        CHECK(signal["significance_bits"].is_null());
        CHECK(signal["verdict"] == "not judged");
        CHECK(signal["threshold_bits"] == 0.12);
        CHECK_FALSE(signal.contains("since"));
    }
    CHECK(learning["mode"] == "learning");
    CHECK(learning["learned_s"] == 23);
}

TEST_CASE("the JSON is one line with its fields in a fixed order", "[status]") {
    Observation seen = samples::observation();
    seen.host =
        "w\xff"
        "b";  // not UTF-8
    const std::string text = status_json(seen);
    CHECK_FALSE(contains(text, "\n"));
    std::vector<std::string> names;
    const ordered_json object = ordered_json::parse(text);
    for (const auto& [name, value] : object.items()) names.push_back(name);
    CHECK(names == std::vector<std::string>{"schema", "timestamp", "hostname", "kernel", "uptime_s",
                                            "attended", "config", "alerts_up", "services", "totals",
                                            "lost", "cost"});
    CHECK(object["schema"] == 2);
    CHECK(object["timestamp"] == "2026-01-02T03:04:05.678+00:00");
    CHECK(object["uptime_s"] == 11520.0);
    CHECK(object["cost"]["tick_cpu_ratio"] == 0.01);
    CHECK(object["cost"]["longest_tick_s"] == Approx(44.969e-6));
    CHECK(object["cost"]["map_bytes"] == 10'564'608);
    CHECK(object["cost"]["programs"].size() == 4);
    CHECK(object["totals"]["not_enough_traffic"] == 12);
}
