// SPDX-License-Identifier: BSD-2-Clause
// bench-loss: what a server that others keep busy loses to a detector: connections a second.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench.hpp"
#include "detector.hpp"
#include "spread.hpp"
#include "testbed.hpp"

namespace {

using namespace bench;
using nlohmann::ordered_json;

constexpr int settle_ms = 150;  // programs are compiled, and old ones freed, beside the load

struct Options {
    int pairs = 300;
    double seconds = 0.5;  // of each half of a pair
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
    fail("no PassiveOpens in /proc/net/snmp");
}

double accepted_a_second(double seconds) {
    testbed::pause_ms(settle_ms);
    const std::uint64_t before = accepted();
    const double start = testbed::now_s();
    testbed::pause_ms(static_cast<int>(seconds * 1000));
    const double rate = static_cast<double>(accepted() - before) / (testbed::now_s() - start);
    if (!(rate > 0)) throw std::runtime_error("no connection is accepted: is the server busy?");
    return rate;
}

// As the loader starts it, its clock too.
double with_detector(const Options& options) {
    jsguard::Detector detector;
    detector.load(testbed::options_for({options.port}), {});
    detector.attach();
    detector.adopt_sockets();
    detector.arm_clock();
    const double rate = accepted_a_second(options.seconds);
    if (detector.stats().sockets_untracked)
        throw std::runtime_error("there are more sockets than slots");
    return rate;
}

void run(const Options& options) {
    std::vector<double> rates, ratios;
    for (int pair = 0; pair < options.pairs; ++pair) {
        double on = 0;
        if (pair % 2) on = with_detector(options);
        const double off = accepted_a_second(options.seconds);
        if (pair % 2 == 0) on = with_detector(options);
        rates.push_back(off);
        ratios.push_back(on / off);
    }
    const Spread rate = spread_of(rates), ratio = spread_of(ratios);
    // Of a median, where the values are about normal: 1.25 of the mean's.
    const double standard_error =
        1.2533 * (ratio.upper - ratio.lower) / 1.349 / std::sqrt(static_cast<double>(ratio.count));
    fmt::print(
        "{:.0f} connections a second without the detector; with it {:.2f} % of that, standard "
        "error {:.2f} % (quartiles {:.1f} to {:.1f} %), {} pairs\n",
        rate.median, 100 * ratio.median, 100 * standard_error, 100 * ratio.lower, 100 * ratio.upper,
        ratio.count);
    if (!options.json_file.empty())
        write_json(options.json_file, {{"pairs", ratio.count},
                                       {"connections_a_second", json_of(rate)},
                                       {"ratio", json_of(ratio)},
                                       {"standard_error_of_median", standard_error}});
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app("What a busy server of this network namespace loses to a detector.");
    app.add_option("--pairs", options.pairs, "pairs of a time with it and one without")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--seconds", options.seconds, "of each time")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--port", options.port, "the server's")->capture_default_str();
    app.add_option("--json", options.json_file, "file for the figures");
    CLI11_PARSE(app, argc, argv);
    return report_errors([&] { run(options); });
}
