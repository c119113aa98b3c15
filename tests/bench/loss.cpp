// SPDX-License-Identifier: BSD-2-Clause
// bench-loss: how many connections a second a busy server loses because of a detector. Others make
// the load.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench.hpp"
#include "load/detector.hpp"
#include "spread.hpp"
#include "tests/kernel/testbed.hpp"

namespace {

using namespace bench;
using nlohmann::ordered_json;

constexpr int settle_ms = 150;  // time until the earlier detector has been freed
constexpr double min_counted_share = 0.99;

struct Options {
    int rounds = 200;
    double seconds = 0.5;  // of each measurement
    std::uint16_t port = 8400;
    std::string json_file;
};

// Connections accepted so far in this network namespace.
std::uint64_t accepted() {
    std::ifstream in("/proc/net/snmp");
    for (std::string names, values; std::getline(in, names) && std::getline(in, values);) {
        std::istringstream name_words(names), value_words(values);
        std::string name, value;
        while (name_words >> name && value_words >> value) {
            if (name == "PassiveOpens") return std::stoull(value);
        }
    }
    throw std::runtime_error("no PassiveOpens in /proc/net/snmp");
}

// Connections accepted in a second, with a detector that is attached, or only loaded. So everything
// else is equal.
double connections_a_second(const Options& options, bool attached) {
    jsguard::Detector detector;
    detector.load(testbed::options_for({options.port}), {});
    if (attached) {
        detector.attach();
        detector.adopt_sockets();
        detector.arm_clock();
    }
    testbed::pause_ms(settle_ms);
    const std::uint64_t before = accepted();
    const double start = testbed::now_s();
    testbed::pause_ms(static_cast<int>(options.seconds * 1000));
    const std::uint64_t count = accepted() - before;
    const double elapsed_s = testbed::now_s() - start;
    if (count == 0) throw std::runtime_error("no connection is accepted: is the server busy?");
    if (attached) {
        const auto counted = testbed::counted(detector, 1);
        const auto opened = counted.find({JSG_TCP_LISTEN, JSG_TCP_SYN_RECV});
        if (opened == counted.end() ||
            static_cast<double>(opened->second) < min_counted_share * static_cast<double>(count))
            throw std::runtime_error("the detector has not counted these connections");
    }
    return static_cast<double>(count) / elapsed_s;
}

// The ratio of two measurements of the same round, with the standard error of the median. It
// is 1.25 times that of the mean, if the values are about normal.
ordered_json report(const char* what, const std::vector<double>& of, const std::vector<double>& to,
                    double seconds) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < of.size(); ++i) ratios.push_back(of[i] / to[i]);
    const Spread spread = spread_of(ratios);
    const double deviation = (spread.upper - spread.lower) / 1.35;
    const double error = 1.25 * deviation / std::sqrt(static_cast<double>(spread.count));
    fmt::print("{}: {:.2f} %, standard error {:.2f} % (quartiles {:.1f} to {:.1f} %), {} of {} s\n",
               what, 100 * spread.median, 100 * error, 100 * spread.lower, 100 * spread.upper,
               spread.count, seconds);
    return {{"ratio", json_of(spread)}, {"standard_error", error}};
}

void run(const Options& options) {
    constexpr std::size_t kinds = 3;  // with a detector, without, without again
    std::vector<double> rates[kinds];
    for (int round = 0; round < options.rounds; ++round) {
        for (std::size_t i = 0; i < kinds; ++i) {
            const std::size_t kind = (i + static_cast<std::size_t>(round)) % kinds;
            rates[kind].push_back(connections_a_second(options, kind == 0));
        }
    }
    const auto& [with, without, again] = rates;
    const Spread rate = spread_of(without);
    fmt::print("{} connections a second without the detector; relative to that:\n",
               text_of(rate, 0));
    ordered_json results = {{"connections_a_second", json_of(rate)}};
    results["with"] = report("with it", with, without, options.seconds);
    results["without_again"] = report("without it again", again, without, options.seconds);
    if (!options.json_file.empty()) write_json(options.json_file, results);
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app(
        "Measures how much a busy server of this network namespace loses because of a detector.");
    app.add_option("--rounds", options.rounds,
                   "rounds; each measures once with a detector and twice without")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--seconds", options.seconds, "seconds of each measurement")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--port", options.port, "port of the server")->capture_default_str();
    app.add_option("--json", options.json_file, "file for the figures");
    CLI11_PARSE(app, argc, argv);
    return report_errors([&] { run(options); });
}
