// SPDX-License-Identifier: BSD-2-Clause
// The command line of jsguard-load, with one argument in each line of the input. Accepted options
// are in range, and make a configuration that a detector accepts.
#include "load/options.hpp"

#include <algorithm>
#include <vector>

#include "fuzz.hpp"
#include "load/run_lines.hpp"
#include "offline/recording/recording_lines.hpp"

using namespace jsguard;

namespace {

std::vector<std::string> arguments_of(std::string_view text) {
    std::vector<std::string> arguments{"jsguard-load"};
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        arguments.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return arguments;
}

bool is_set_of_ports(const std::vector<std::uint16_t>& ports) {
    return std::is_sorted(ports.begin(), ports.end()) &&
           std::adjacent_find(ports.begin(), ports.end()) == ports.end() &&
           (ports.empty() || ports.front() != 0);
}

bool is_threshold(std::uint32_t nanobits) { return nanobits < JSG_NANO; }

void check(const Options& options) {
    const auto is_excluded = [&](std::uint16_t port) {
        return std::binary_search(options.excluded_ports.begin(), options.excluded_ports.end(),
                                  port);
    };
    fuzz::require(is_set_of_ports(options.ports) && is_set_of_ports(options.excluded_ports),
                  "ports are sorted, without duplicates");
    fuzz::require(options.ports.size() <= JSG_SERVICES, "this number of ports can be monitored");
    fuzz::require(std::none_of(options.ports.begin(), options.ports.end(), is_excluded),
                  "no excluded port is monitored");
    fuzz::require(is_threshold(options.transition_threshold_nanobits) &&
                      is_threshold(options.occupancy_threshold_nanobits),
                  "a threshold is below 1 bit");
    fuzz::require(options.step_s >= 1 && options.window_s <= max_window_s,
                  "a window is 1 to 300 s long");
    fuzz::require(options.window_s % options.step_s == 0 && options.learn_s % options.step_s == 0,
                  "times are multiples of the step");
    fuzz::require(options.learn_s >= 1 && options.learn_s <= max_learn_s + max_window_s,
                  "learning takes a second to a day");
    fuzz::require(options.min_sockets >= 1 && options.min_sockets <= max_sockets,
                  "the minimum excess fits");
    fuzz::require(
        !options.exit_on_alert || (*options.exit_on_alert >= 0 && *options.exit_on_alert <= 255),
        "an exit code fits");
    fuzz::require(options.pin_dir.starts_with('/'), "the maps are pinned at an absolute path");
    check_recorded_config(make_config(options));  // an Error stops the fuzzer
    fuzz::require_one_line(start_line(options, options.ports));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::vector<std::string> arguments = arguments_of(fuzz::text_of(data, size));
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    const auto parsed =
        fuzz::accepted([&] { return parse_options(static_cast<int>(argv.size()), argv.data()); });
    if (!parsed) return 0;
    if (const auto* options = std::get_if<Options>(&*parsed)) check(*options);
    return 0;
}
