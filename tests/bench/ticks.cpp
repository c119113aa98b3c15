// SPDX-License-Identifier: BSD-2-Clause
// bench-ticks: the time of the detector's timer, by the number of open sockets and of services.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "bench.hpp"
#include "load/detector.hpp"
#include "spread.hpp"
#include "tests/kernel/testbed.hpp"
#include "tick_watch.hpp"
#include "visits.hpp"

namespace {

using namespace bench;
using nlohmann::ordered_json;

constexpr std::uint16_t first_port = 8400;

struct Options {
    std::vector<std::uint32_t> sockets = {0, 1000, 10'000, 100'000};
    std::vector<int> services = {0, 1, 8, 64};
    int sockets_services = 8;  // the sockets are spread over these
    double seconds = 20;
    std::string json_file;
};

// Options for this number of services. For 0 every listener is monitored, and there is none.
jsguard::Options monitoring(int services, std::uint32_t learn_s) {
    std::vector<std::uint16_t> ports;
    for (int i = 0; i < services; ++i) ports.push_back(static_cast<std::uint16_t>(first_port + i));
    jsguard::Options options = testbed::options_for(std::move(ports));
    options.learn_s = learn_s;
    return options;
}

ordered_json json_of_ticks(const TickTimes& times, std::uint32_t samples) {
    if (times.us.empty()) throw std::runtime_error("the timer does not tick");
    std::vector<double> sorted = times.us;
    std::sort(sorted.begin(), sorted.end());
    return {{"callbacks", times.count},
            {"unseen", times.unseen},
            {"looked_at_a_second", samples},
            {"mean_us", times.mean_us()},
            {"median_us", quantile(sorted, 0.5)},
            {"p99_us", quantile(sorted, 0.99)},
            {"p999_us", quantile(sorted, 0.999)},
            {"longest_us", sorted.back()},
            {"share_of_a_cpu", times.share_of_cpu()}};
}

void add_row(Table& table, const std::string& what, const ordered_json& row) {
    table.row({what, fmt::format("{:.1f}", row["median_us"].get<double>()),
               fmt::format("{:.1f}", row["p999_us"].get<double>()),
               fmt::format("{:.1f}", row["longest_us"].get<double>()),
               fmt::format("{:.3f} %", 100 * row["share_of_a_cpu"].get<double>())});
}

Table tick_table(const char* what) {
    return Table({what, "median us", "99.9 % below us", "longest us", "of one CPU"});
}

// Sums over the services' last windows.
template <typename Figure>
std::uint32_t sum(const jsguard::Detector& detector, int services, Figure figure) {
    double total = 0;
    for (int service_id = 1; service_id <= services; ++service_id) {
        if (const auto window =
                testbed::last_window(detector, static_cast<std::uint32_t>(service_id)))
            total += figure(*window);
    }
    return static_cast<std::uint32_t>(total + 0.5);
}
std::uint32_t sampled_in(const jsguard::Detector& detector, int services) {
    return sum(detector, services, [](const jsg_window& window) {
        return static_cast<double>(window.sockets) * window.sampled_ppm / 1e6;
    });
}
std::uint32_t in_windows(const jsguard::Detector& detector, int services) {
    return sum(detector, services, [](const jsg_window& window) { return window.sockets; });
}

// Measures connections with an open request, which wait in the listener's queue. While the services
// learn, the sockets are only sampled. Under attack their sources are counted too.
ordered_json measure_sockets(const Options& options, bool under_attack) {
    Crowd crowd(first_port, options.sockets_services);
    jsguard::Detector detector;
    detector.load(monitoring(options.sockets_services, under_attack ? 5 : 3600), {});
    detector.attach();
    detector.adopt_sockets();
    detector.arm_clock();
    Table table = tick_table(under_attack ? "sockets, under attack" : "sockets, not judged");
    ordered_json rows = ordered_json::array();
    double blank_us = 0;  // a second
    for (const std::uint32_t wanted : options.sockets) {
        crowd.grow_to(wanted);
        testbed::pause_ms(3000);  // until the sampling weight fits this number of sockets
        const TickTimes times = watch_ticks(detector, options.seconds);
        const std::uint32_t samples = sampled_in(detector, options.sockets_services);
        ordered_json row = json_of_ticks(times, samples);
        row["sockets"] = wanted;
        row["in_windows"] = in_windows(detector, options.sockets_services);
        if (row["in_windows"] != wanted)
            throw std::runtime_error(fmt::format("{} sockets are open, {} in the windows", wanted,
                                                 row["in_windows"].get<std::uint32_t>()));
        const double us = times.total_us / times.elapsed_s;
        if (!wanted) blank_us = us;
        if (wanted && blank_us > 0) row["ns_a_look"] = (us - blank_us) * 1000 / samples;
        add_row(table, std::to_string(wanted), row);
        rows.push_back(row);
    }
    fmt::print("{}", table.text());
    for (const auto& row : rows) {
        if (row.contains("ns_a_look"))
            fmt::print("{} sockets: {} samples a second, {:.0f} ns each\n",
                       row["sockets"].get<int>(), row["looked_at_a_second"].get<int>(),
                       row["ns_a_look"].get<double>());
    }
    return rows;
}

bool all_monitor(const jsguard::Detector& detector, int services) {
    const auto all = detector.reader().services();
    return std::all_of(all.begin(), all.begin() + services,
                       [](const jsg_service& service) { return service.mode == JSG_MONITORING; });
}

// Measures services with visits and some open connections, so that both distributions are judged.
ordered_json measure_services(const Options& options) {
    constexpr std::uint32_t learn_s = 12;
    constexpr int open = 24;  // connections of each service; fewer do not make a complete baseline
    Table table = tick_table("services");
    ordered_json rows = ordered_json::array();
    double blank_us = 0;
    std::string evaluations;
    for (const int services : options.services) {
        jsguard::Detector detector;
        detector.load(monitoring(services, learn_s), {});
        detector.attach();
        detector.arm_clock();
        TickTimes times;
        if (services == 0) {
            times = watch_ticks(detector, options.seconds);
        } else {
            Visits visits(first_port, services);
            visits.keep_open(open);
            std::jthread visitor([&](const std::stop_token& stop) {
                for (; !stop.stop_requested(); testbed::pause_ms(500)) visits.make(services * 10);
            });
            if (!testbed::wait_until(learn_s * 2, [&] { return all_monitor(detector, services); }))
                throw std::runtime_error("the services have not learned");
            times = watch_ticks(detector, options.seconds);
        }
        ordered_json row = json_of_ticks(times, static_cast<std::uint32_t>(open * services));
        row["services"] = services;
        const double us = times.total_us / times.elapsed_s;
        if (!services) blank_us = us;
        if (services && blank_us > 0) {
            row["us_an_evaluation"] = (us - blank_us) / services;
            evaluations += fmt::format("{} services: {:.1f} us an evaluation, with {} samples\n",
                                       services, row["us_an_evaluation"].get<double>(), open);
        }
        add_row(table, std::to_string(services), row);
        rows.push_back(row);
    }
    fmt::print("{}{}", table.text(), evaluations);
    return rows;
}

void run(const Options& options) {
    testbed::enter_namespace();
    allow_long_queues();
    allow_many_files();
    ordered_json results = {{"seconds", options.seconds}};
    if (!options.sockets.empty()) {
        results["by_sockets_not_judged"] = measure_sockets(options, false);
        results["by_sockets_under_attack"] = measure_sockets(options, true);
    }
    if (!options.services.empty()) results["by_services"] = measure_services(options);
    if (!options.json_file.empty()) write_json(options.json_file, results);
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app("Measures the time of the detector's timer, by open sockets and by services.");
    app.add_option("--sockets", options.sockets, "numbers of open sockets")
        ->delimiter(',')
        ->capture_default_str();
    app.add_option("--services", options.services, "numbers of services")
        ->delimiter(',')
        ->capture_default_str();
    app.add_option("--seconds", options.seconds, "seconds of each measurement")
        ->capture_default_str();
    app.add_option("--json", options.json_file, "file for the figures");
    CLI11_PARSE(app, argc, argv);
    return report_errors([&] { run(options); });
}
