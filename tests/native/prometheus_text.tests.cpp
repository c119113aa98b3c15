// SPDX-License-Identifier: BSD-2-Clause
// Tests of the text that Prometheus reads: its grammar, its figures, absent figures, and the table
// of metrics in the documentation.
#include "observe/prometheus_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "common/losses.hpp"
#include "observation_samples.hpp"
#include "prometheus_doc.hpp"
#include "tests/catch_compat.hpp"
#include "texts.hpp"

using namespace jsguard;

namespace {

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    std::istringstream stream{std::string(text)};
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

// The value of each series, by its name and labels.
std::map<std::string, std::string> series_of(const Observation& seen) {
    std::map<std::string, std::string> series;
    for (const std::string& line : lines_of(prometheus_text(seen))) {
        if (line[0] == '#') continue;
        const std::size_t space = line.rfind(' ');
        INFO(line);
        CHECK(series.emplace(line.substr(0, space), line.substr(space + 1)).second);
    }
    return series;
}

std::string value(const Observation& seen, const std::string& series) {
    const auto all = series_of(seen);
    const auto found = all.find(series);
    return found == all.end() ? "absent" : found->second;
}

bool has(const Observation& seen, const std::string& part) {
    return contains(prometheus_text(seen), part);
}

// Checks the text exposition format: HELP, TYPE, and then only the series of that family.
void check_grammar(const Observation& seen) {
    const std::regex help("# HELP (jsguard_[a-z_]+) [^\\\\]+\\.");
    const std::regex type("# TYPE (jsguard_[a-z_]+) (gauge|counter)");
    const std::regex series(
        "(jsguard_[a-z_]+)(\\{[a-z]+=\"[^\"\\\\]*\"(,[a-z]+=\"[^\"\\\\]*\")*\\})? "
        "(0|[1-9][0-9]*)(\\.[0-9]*[1-9])?");
    std::set<std::string> families;
    std::string family;
    std::smatch match;
    bool typed = false;
    for (const std::string& line : lines_of(prometheus_text(seen))) {
        INFO(line);
        if (std::regex_match(line, match, help)) {
            family = match[1];
            CHECK(families.insert(family).second);
            typed = false;
        } else if (std::regex_match(line, match, type)) {
            CHECK(match[1] == family);
            CHECK((match[2] == "counter") == (family.ends_with("_total")));
            typed = true;
        } else {
            REQUIRE(std::regex_match(line, match, series));
            CHECK(match[1] == family);
            CHECK(typed);
        }
    }
    CHECK(prometheus_text(seen).ends_with('\n'));
}

Observation with_large_numbers() {
    Observation seen = samples::observation();
    constexpr auto largest = ~std::uint64_t{0};
    seen.stats.alerts = largest;
    seen.cost.ticks.total_ns = largest;
    seen.cost.ticks.longest_ns = 1;
    seen.services[0].window->signal[JSG_TRANSITIONS].kl_nanobits = 32'000'000'000;
    seen.services[0].window->open_millisockets = 4'294'967'295;
    seen.services[0].total_counts.transitions[0] = 4'294'967'295;
    return seen;
}

Observation with_nothing_monitored() {
    Observation seen = samples::observation();
    seen.services.clear();
    return seen;
}

Observation in_namespace() {
    Observation seen = samples::observation();
    seen.config.netns = 4026532188;
    return seen;
}

Observation before_first_window() {
    Observation seen = samples::observation();
    for (ObservedService& service : seen.services) {
        const std::uint32_t port = service.service.port;
        service = {};
        service.service.port = port;
        service.service.mode = JSG_LEARNING;
    }
    return seen;
}

}  // namespace

TEST_CASE("every line follows the exposition format", "[prometheus]") {
    for (const Observation& seen :
         {samples::observation(), with_large_numbers(), with_nothing_monitored(), in_namespace(),
          before_first_window(), Observation{}})
        check_grammar(seen);
}

TEST_CASE("the table in the documentation equals the table of the code", "[prometheus]") {
    std::vector<std::string> documented;
    for (const std::string& line : lines_of(prometheus_doc)) {
        if (line.starts_with("| `jsguard_")) documented.push_back(line);
    }
    std::vector<std::string> coded;
    for (const MetricFamily& family : metric_families())
        coded.push_back(fmt::format("| `{}` | {} | {} | {} |", family.name, family.type,
                                    family.labels, family.help));
    CHECK(documented == coded);
}

TEST_CASE("jsguard_attended states whether somebody reads the alerts, if that is known",
          "[prometheus]") {
    Observation seen = samples::observation();
    CHECK(value(seen, "jsguard_attended") == "1");
    seen.attended = false;
    CHECK(value(seen, "jsguard_attended") == "0");
    seen.attended.reset();
    CHECK_FALSE(has(seen, "jsguard_attended"));
}

TEST_CASE("families come in the order of the table, with their labels", "[prometheus]") {
    const auto families = metric_families();
    std::size_t next = 0;
    std::string labels;
    for (const std::string& line : lines_of(prometheus_text(in_namespace()))) {
        INFO(line);
        if (line.starts_with("# HELP ")) {
            const auto is_named = [&](const MetricFamily& family) {
                return line == fmt::format("# HELP {} {}", family.name, family.help);
            };
            const auto found =
                std::find_if(families.begin() + static_cast<long>(next), families.end(), is_named);
            REQUIRE(found != families.end());
            next = static_cast<std::size_t>(found - families.begin()) + 1;
            labels = std::string(found->labels) + (found->labels.empty() ? "netns" : ", netns");
        } else if (line[0] != '#') {
            std::string names;
            const std::regex label("([a-z]+)=\"[^\"]*\"");
            for (std::sregex_iterator i(line.begin(), line.end(), label), end; i != end; ++i)
                names += (names.empty() ? "" : ", ") + (*i)[1].str();
            CHECK(names == labels);
        }
    }
}

TEST_CASE("figures are exact, in base units", "[prometheus]") {
    const Observation seen = samples::observation();
    const auto series = series_of(seen);
    const auto is = [&](const std::string& name, const std::string& number) {
        INFO(name);
        const auto found = series.find(name);
        REQUIRE(found != series.end());
        CHECK(found->second == number);
    };
    is("jsguard_start_time_seconds", "1767311525.678");
    is("jsguard_last_tick_timestamp_seconds", "1767323045.673");
    is("jsguard_window_seconds", "10");
    is("jsguard_windows_total", "30000");
    is("jsguard_verdicts_without_traffic_total", "12");
    is("jsguard_tick_seconds_total", "115.2");
    is("jsguard_longest_tick_seconds", "0.000044969");
    is("jsguard_map_memory_bytes", "10564608");
    is("jsguard_monitoring{port=\"80\"}", "1");
    is("jsguard_open_sockets{port=\"8080\"}", "520.5");
    is("jsguard_stalled_excess_sockets{port=\"8080\"}", "476.5");
    is("jsguard_sampled_ratio{port=\"80\"}", "1");
    is("jsguard_state_entropy{port=\"80\"}", "2.5");
    is("jsguard_divergence{port=\"80\",signal=\"transitions\"}", "0.002345678");
    is("jsguard_divergence{port=\"8080\",signal=\"occupancy\"}", "0.681234567");
    is("jsguard_kl_divergence{port=\"80\",signal=\"occupancy\"}", "0.012");
    is("jsguard_threshold{port=\"443\",signal=\"occupancy\"}", "0.12");
    is("jsguard_significance_bound{port=\"80\",signal=\"transitions\"}", "0.01");
    is("jsguard_alert_up{port=\"80\",signal=\"occupancy\"}", "0");
    is("jsguard_alert_up{port=\"8080\",signal=\"occupancy\"}", "1");
    is("jsguard_alert_start_time_seconds{port=\"8080\",signal=\"occupancy\"}", "1767322845.678");
    is("jsguard_occupancy_sockets{port=\"8080\",cell=\"request slow 8-16s\"}", "511");
    is("jsguard_occupancy_sockets{port=\"8080\",cell=\"request slow 32s+\"}", "0");
    is("jsguard_transitions_total{port=\"80\",cell=\"LISTEN->SYN_RECV\"}", "300000");
    is("jsguard_state_entries_total{port=\"80\",state=\"CLOSE_WAIT\"}", "100000");
    CHECK(std::count_if(series.begin(), series.end(), [](const auto& one) {
              return one.first.starts_with("jsguard_occupancy_sockets{port=\"443\"");
          }) == JSG_PHASE_CELLS);
}

TEST_CASE("the largest numbers lose no digit", "[prometheus]") {
    const Observation seen = with_large_numbers();
    CHECK(value(seen, "jsguard_alerts_total") == "18446744073709551615");
    CHECK(value(seen, "jsguard_tick_seconds_total") == "18446744073.709551615");
    CHECK(value(seen, "jsguard_longest_tick_seconds") == "0.000000001");
    CHECK(value(seen, "jsguard_kl_divergence{port=\"80\",signal=\"transitions\"}") == "32");
    CHECK(value(seen, "jsguard_open_sockets{port=\"80\"}") == "4294967.295");
}

TEST_CASE("entries into a state wrap like the counts that they are the sum of", "[prometheus]") {
    Observation seen = samples::observation();
    auto& transitions = seen.services[0].total_counts.transitions;
    transitions[jsg_transition_cell(JSG_TCP_ESTABLISHED, JSG_TCP_CLOSE)] = 4'294'967'295;
    transitions[jsg_transition_cell(JSG_TCP_LAST_ACK, JSG_TCP_CLOSE)] = 6;
    CHECK(value(seen, "jsguard_state_entries_total{port=\"80\",state=\"CLOSE\"}") == "5");
}

TEST_CASE("a figure that does not exist is absent", "[prometheus]") {
    const Observation seen = samples::observation();
    for (const char* learning :
         {"jsguard_divergence", "jsguard_kl_divergence", "jsguard_significance_bound",
          "jsguard_expected_sockets", "jsguard_excess_sockets", "jsguard_baseline_warning"}) {
        CAPTURE(learning);
        CHECK(has(seen, fmt::format("{}{{port=\"80\"", learning)));
        CHECK_FALSE(has(seen, fmt::format("{}{{port=\"443\"", learning)));
    }
    CHECK_FALSE(has(seen, "jsguard_alert_start_time_seconds{port=\"80\""));
    CHECK_FALSE(has(seen, "jsguard_transition_runs_total"));
    CHECK_FALSE(has(seen, "cell=\"ESTABLISHED->FIN_WAIT1\""));

    Observation empty_window = seen;
    empty_window.services[0].window->transitions = 0;
    empty_window.services[0].window->signal[JSG_TRANSITIONS].verdict = JSG_NOTHING_SEEN;
    CHECK_FALSE(has(empty_window, "jsguard_divergence{port=\"80\",signal=\"transitions\"}"));
    CHECK(has(empty_window, "jsguard_divergence{port=\"80\",signal=\"occupancy\"}"));
    CHECK_FALSE(has(empty_window, "jsguard_state_entropy{port=\"80\"}"));

    const Observation early = before_first_window();
    CHECK(value(early, "jsguard_monitoring{port=\"80\"}") == "0");
    for (const char* name : {"jsguard_sockets", "jsguard_occupancy_sockets", "jsguard_threshold"})
        CHECK_FALSE(has(early, fmt::format("{}{{", name)));
    CHECK_FALSE(has(with_nothing_monitored(), "port="));
    CHECK_FALSE(has(Observation{}, "jsguard_start_time_seconds"));
}

TEST_CASE("an alert of each signal is reported, and the warnings about a baseline",
          "[prometheus]") {
    Observation seen = samples::observation();
    seen.services[0].service.alerts[JSG_TRANSITIONS].state = JSG_CONFIRMING;
    CHECK(value(seen, "jsguard_alert_up{port=\"80\",signal=\"transitions\"}") == "0");
    seen.services[0].service.alerts[JSG_TRANSITIONS].state = JSG_ALERT;
    CHECK(value(seen, "jsguard_alert_up{port=\"80\",signal=\"transitions\"}") == "1");
    seen.services[0].service.warnings = JSG_WARN_UNBALANCED;
    CHECK(value(seen, "jsguard_baseline_warning{port=\"80\"}") == "0");
    seen.services[0].service.warnings |= JSG_WARN_QUEUE_FULL;
    CHECK(value(seen, "jsguard_baseline_warning{port=\"80\"}") == "1");
}

TEST_CASE("every loss is reported", "[prometheus]") {
    Observation seen = samples::observation();
    std::uint64_t number = 7;
    for (const Loss& loss : losses) seen.stats.*loss.count = number++;
    number = 7;
    for (const Loss& loss : losses) {
        CAPTURE(std::string(loss.name));
        CHECK(value(seen, fmt::format("jsguard_{}_total", loss.name)) ==
              fmt::format("{}", number++));
    }
    seen.stats.transitions_late = 3;
    seen.cost.missed_runs = 4;
    CHECK(value(seen, "jsguard_transitions_late_total") == "3");
    CHECK(value(seen, "jsguard_missed_runs_total") == "4");
}

TEST_CASE("the run time of the program is reported if the kernel measures it", "[prometheus]") {
    Observation seen = samples::observation();
    seen.cost.programs.back() = {"jsg_transition", 2'000, 3'000'000};
    CHECK(value(seen, "jsguard_transition_runs_total") == "2000");
    CHECK(value(seen, "jsguard_transition_run_seconds_total") == "0.003");
}

TEST_CASE("a monitored namespace is in every series, otherwise no series has one", "[prometheus]") {
    for (const auto& [series, number] : series_of(in_namespace())) {
        CAPTURE(series);
        CHECK((series.ends_with(",netns=\"4026532188\"}") ||
               series.ends_with("{netns=\"4026532188\"}")));
    }
    CHECK_FALSE(has(samples::observation(), "netns"));
}
