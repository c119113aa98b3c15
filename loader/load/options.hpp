// SPDX-License-Identifier: BSD-2-Clause
// The options of jsguard-load, checked before anything is loaded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/defaults.hpp"
#include "kernel/jsguard.h"
#include "kernel/spread.h"

namespace jsguard {

struct Options {
    // 0: from the spread of the divergence while learning.
    std::uint32_t transition_threshold_nanobits = JSG_DEFAULT_THRESHOLD_NANOBITS;
    std::uint32_t occupancy_threshold_nanobits = JSG_DEFAULT_THRESHOLD_NANOBITS;
    std::uint32_t false_alarm_exponent = 6;  // of the false-positive probability, 10^-6
    // Sorted, without excluded ones. Empty: every port with an accepted connection.
    std::vector<std::uint16_t> ports;
    std::vector<std::uint16_t> excluded_ports;  // sorted
    std::uint32_t window_s = 10;
    std::uint32_t step_s = 1;
    std::uint32_t learn_s = 60;
    std::uint32_t min_sockets = 20;
    std::uint32_t min_transitions = 100;
    std::uint32_t min_rate = 512;  // bytes a second
    std::uint32_t confirm_windows = 3;
    std::uint32_t clear_windows = 10;
    std::uint32_t release_after_s = 60;  // of an unused port's service entry; only tests change it
    std::optional<std::string> baseline_file;
    std::optional<std::string> save_baseline_file;
    // The same as save_baseline_file if what is learned replaces what is read. It need not exist.
    std::optional<std::string> kept_baseline_file;
    std::optional<std::string> textfile;
    std::optional<std::uint32_t> duration_s;  // none: until a signal
    std::optional<int> exit_on_alert;         // the exit code; none: do not stop
    std::string pin_dir = default_pin_dir;
    std::optional<std::string> pin_group;  // may read the pins; none: only the owner
    bool persist = false;                  // leave the detector in the kernel at exit
    bool unload = false;                   // take out the detector that is pinned, and stop
    bool probe = false;                    // print what this kernel offers, and stop
    std::optional<std::string> netns;      // path or pid; none: every network namespace
    bool json = false;
    bool syslog = false;  // alerts go to the system's log too
    bool timestamp = false;
    bool verbose = false;
};

// The answer to -h or -V: print the text to stdout and exit with code 0.
struct Answer {
    std::string text;
};

// Throws Error(usage) for invalid options.
std::variant<Options, Answer> parse_options(int argc, const char* const* argv);

// The detector's configuration from the options. cpus, netns and has_rdonly_cast depend on the
// machine and remain 0. So do the hashes and the instance.
jsg_config make_config(const Options& options);

}  // namespace jsguard
