// SPDX-License-Identifier: BSD-2-Clause
// bench-memory: the memory of the detector's maps, by services and by live sockets, up to a
// million.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "bench.hpp"
#include "observe/running_cost.hpp"
#include "tests/kernel/testbed.hpp"
#include "tick_watch.hpp"
#include "visits.hpp"

namespace {

using namespace bench;
using nlohmann::ordered_json;

constexpr std::uint16_t first_port = 8400;
constexpr int listeners_services = 8;

struct Options {
    std::vector<std::uint32_t> sockets = {0, 10'000, 100'000, 250'000, 500'000, 1'000'000};
    std::vector<int> services = {1, 8, 64};
    double seconds = 10;
    std::string json_file;
};

// The number of a name, in a file with lines "Name: number kB".
std::uint64_t kib_in(const char* file, const std::string& name) {
    std::ifstream in(file);
    for (std::string word; in >> word;) {
        std::uint64_t kib = 0;
        if (word == name + ":" && in >> kib) return kib;
    }
    fail(fmt::format("no {} in {}", name, file));
}

std::uint64_t resident_kib() { return kib_in("/proc/self/status", "VmRSS"); }

std::uint64_t map_bytes(const jsguard::Detector& detector) {
    return jsguard::RunningCost(detector.descriptors()).read().map_bytes.value();
}

std::unique_ptr<jsguard::Detector> detector_for(int services) {
    std::vector<std::uint16_t> ports;
    for (int i = 0; i < services; ++i) ports.push_back(static_cast<std::uint16_t>(first_port + i));
    auto detector = std::make_unique<jsguard::Detector>();
    detector->load(testbed::options_for(std::move(ports)), {});
    detector->attach();
    detector->adopt_sockets();
    detector->arm_clock();
    return detector;
}

// A running detector allocates only the records of windows, up to JSG_WINDOWS_KEPT for each
// service.
ordered_json measure_services(const Options& options) {
    Table table(
        {"services", "KiB of maps at the start", "bytes a window kept", "KiB with all kept"});
    ordered_json rows = ordered_json::array();
    for (const int services : options.services) {
        const auto detector = detector_for(services);
        const std::uint64_t start = map_bytes(*detector);
        testbed::pause_ms(static_cast<int>(options.seconds * 1000));
        const std::uint64_t windows = detector->reader().stats().windows;
        const double each =
            static_cast<double>(map_bytes(*detector) - start) / static_cast<double>(windows);
        const double full = static_cast<double>(start) + each * JSG_WINDOWS_KEPT * services;
        table.row({std::to_string(services), std::to_string(start / 1024),
                   fmt::format("{:.0f}", each), fmt::format("{:.0f}", full / 1024)});
        rows.push_back({{"services", services},
                        {"map_bytes_at_start", start},
                        {"windows", windows},
                        {"bytes_a_window", each},
                        {"map_bytes_with_all_kept", full}});
    }
    fmt::print("{}", table.text());
    return rows;
}

ordered_json measure_sockets(const Options& options) {
    Crowd crowd(first_port, listeners_services);
    const auto detector = detector_for(listeners_services);
    Table table({"live sockets", "with a slot", "counted only", "KiB of maps",
                 "KiB of this process", "KiB of the machine a socket", "of one CPU",
                 "sockets in the windows"});
    ordered_json rows = ordered_json::array();
    const auto free_kib = kib_in("/proc/meminfo", "MemAvailable");
    for (const std::uint32_t wanted : options.sockets) {
        crowd.grow_to(wanted);
        testbed::pause_ms(3000);
        const TickTimes times = watch_ticks(*detector, options.seconds);
        std::uint64_t in_windows = 0;
        for (std::uint32_t service_id = 1; service_id <= listeners_services; ++service_id) {
            if (const auto window = testbed::last_window(*detector, service_id))
                in_windows += window->sockets;
        }
        const std::uint64_t slots = testbed::remembered(*detector) - listeners_services;
        const auto used_kib = static_cast<double>(free_kib) -
                              static_cast<double>(kib_in("/proc/meminfo", "MemAvailable"));
        const double each_kib = wanted ? used_kib / wanted : 0;
        ordered_json row = {{"sockets", wanted},
                            {"with_a_slot", slots},
                            {"untracked", detector->reader().stats().sockets_untracked},
                            {"map_bytes", map_bytes(*detector)},
                            {"resident_kib", resident_kib()},
                            {"kib_of_machine_a_socket", each_kib},
                            {"share_of_a_cpu", times.share_of_cpu()},
                            {"sockets_in_windows", in_windows}};
        table.row({std::to_string(wanted), std::to_string(slots),
                   std::to_string(detector->reader().stats().sockets_untracked),
                   std::to_string(row["map_bytes"].get<std::uint64_t>() / 1024),
                   std::to_string(resident_kib()), fmt::format("{:.1f}", each_kib),
                   fmt::format("{:.2f} %", 100 * times.share_of_cpu()),
                   std::to_string(in_windows)});
        rows.push_back(row);
    }
    fmt::print("{}", table.text());
    return rows;
}

void run(const Options& options) {
    testbed::enter_namespace();
    allow_long_queues();
    ordered_json results;
    if (!options.services.empty()) results["by_services"] = measure_services(options);
    if (!options.sockets.empty()) results["by_sockets"] = measure_sockets(options);
    if (!options.json_file.empty()) write_json(options.json_file, results);
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app("Measures the memory of the detector's maps, by services and by live sockets.");
    app.add_option("--sockets", options.sockets, "numbers of live sockets")
        ->delimiter(',')
        ->capture_default_str();
    app.add_option("--services", options.services, "numbers of services")
        ->delimiter(',')
        ->capture_default_str();
    app.add_option("--seconds", options.seconds, "time for which ticks are observed")
        ->capture_default_str();
    app.add_option("--json", options.json_file, "file for the figures");
    CLI11_PARSE(app, argc, argv);
    return report_errors([&] { run(options); });
}
