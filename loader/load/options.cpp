// SPDX-License-Identifier: BSD-2-Clause
// Parses the command line of jsguard-load with CLI11 and checks each value.
#include "load/options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string_view>

#include "common/cells.hpp"
#include "common/clocks.hpp"
#include "common/defaults.hpp"
#include "common/error.hpp"
#include "common/option_adder.hpp"
#include "common/whole_number.hpp"

namespace jsguard {
namespace {

constexpr std::uint32_t max_exit_code = 255;

// The options as given. settle() combines them, so their order on the command line does not matter.
struct Written {
    Options options;
    std::optional<std::uint32_t> threshold_nanobits;
    std::optional<std::uint32_t> transition_threshold_nanobits;
    std::optional<std::uint32_t> occupancy_threshold_nanobits;
    std::optional<std::uint32_t> learn_s;
    std::optional<std::string> exit_on_alert;
    std::optional<std::string> keep_baseline_file;
};

std::string with_default(std::string_view description, const auto& value) {
    return fmt::format("{} (default: {})", description, value);
}

void add_what_is_monitored(OptionAdder& add, Written& written) {
    Options& o = written.options;
    add.group("What is monitored");
    add.ports("-L,--localport,--port", "--localport",
              "monitor these local ports (default: every port with an accepted connection)",
              o.ports);
    add.ports("--exclude-port", "--exclude-port", "do not monitor these (default: none)",
              o.excluded_ports);
    add.path("--netns", "NAME|PATH|PID", "monitor only this network namespace (default: all)",
             store_in(o.netns));
}

void add_when_to_alert(OptionAdder& add, Written& written) {
    Options& o = written.options;
    add.group("When to raise an alert");
    add.threshold(
        "--threshold",
        with_default("threshold of both signals in bits, above 0 and below 1; auto: from the "
                     "spread while learning",
                     bits_of(o.occupancy_threshold_nanobits)),
        written.threshold_nanobits);
    add.threshold("--transition-threshold",
                  "threshold of transitions, or auto (default: that of --threshold)",
                  written.transition_threshold_nanobits);
    add.threshold("--occupancy-threshold",
                  "threshold of occupancy, or auto (default: that of --threshold)",
                  written.occupancy_threshold_nanobits);
    add.probability(
        "--false-alarm",
        with_default("false-positive probability per window; rounded down to a power of "
                     "ten",
                     fmt::format("1e-{}", o.false_alarm_exponent)),
        store_in(o.false_alarm_exponent));
    add.whole("", "--min-sockets", "N", max_sockets,
              with_default("minimum number of stalled sockets above twice the expected number",
                           o.min_sockets),
              store_in(o.min_sockets));
    add.whole("", "--min-transitions", "N", max_count,
              with_default("minimum number of transitions in the window", o.min_transitions),
              store_in(o.min_transitions));
    add.whole("", "--min-rate", "BYTES", max_count,
              with_default("bytes a second from which a connection counts as moving", o.min_rate),
              store_in(o.min_rate));
    add.whole(
        "", "--confirm", "N", max_learn_s,
        with_default("windows above the threshold in a row that raise an alert", o.confirm_windows),
        store_in(o.confirm_windows));
    add.whole(
        "", "--clear", "N", max_learn_s,
        with_default("windows below the threshold in a row that clear an alert", o.clear_windows),
        store_in(o.clear_windows));
}

void add_time_and_learning(OptionAdder& add, Written& written) {
    Options& o = written.options;
    add.group("Time and learning");
    add.whole("-i,", "--window", "SECONDS", max_window_s,
              with_default("length of the sliding window", o.window_s), store_in(o.window_s));
    add.whole(
        "", "--step", "SECONDS", max_window_s,
        with_default("how far the window slides; --window must be a multiple of it", o.step_s),
        store_in(o.step_s));
    add.whole("", "--learn", "SECONDS", max_learn_s,
              with_default("learning time of a port without a baseline", o.learn_s),
              store_in(written.learn_s));
    add.path("--baseline", "FILE", "start from the baselines in FILE", store_in(o.baseline_file));
    add.path("--save-baseline", "FILE", "write what was learned to FILE",
             store_in(o.save_baseline_file));
    add.path("--keep-baseline", "FILE",
             "start from the baselines in FILE if it exists, before those of --baseline, and write "
             "what was learned to it",
             store_in(written.keep_baseline_file));
    add.whole("-d,", "--duration", "SECONDS", max_count, "stop after this time (default: never)",
              store_in(o.duration_s));
}

void add_output(OptionAdder& add, Written& written) {
    Options& o = written.options;
    add.group("Output and exit");
    add.flag("--json", "one JSON object a line on stdout, not text", o.json)
        ->disable_flag_override();
    add.flag("--syslog", "send alerts to the system's log too: systemd's journal, else syslog",
             o.syslog)
        ->disable_flag_override();
    add.flag("-T,--timestamp", "begin each line of text with the time (UTC)", o.timestamp)
        ->disable_flag_override();
    add.flag("-v,--verbose", "print more on stderr", o.verbose)->disable_flag_override();
    add.optional_value(
        "--exit-on-alert", "[CODE]",
        fmt::format("stop at the first alert with this code (default: off; no CODE: {})",
                    static_cast<int>(ExitCode::alert)),
        written.exit_on_alert);
    add.path("--textfile", "FILE", "write all figures to FILE (*.prom) for node_exporter",
             store_in(o.textfile));
    add.path("--pin-dir", "DIR", with_default("where the maps are pinned", o.pin_dir),
             store_in(o.pin_dir));
    add.path("--pin-group", "GROUP", "group that may read the maps too (default: none)",
             store_in(o.pin_group));
}

void add_life(OptionAdder& add, Written& written) {
    Options& o = written.options;
    add.group("Detector in the kernel");
    add.flag("--persist",
             "leave the detector in the kernel at exit; the next jsguard-load joins it", o.persist)
        ->disable_flag_override();
    add.flag("--unload", "take out the detector that is in the kernel, and stop", o.unload)
        ->disable_flag_override();
    add.flag("--probe", "print what this kernel offers and lacks, and stop (--json too)", o.probe)
        ->disable_flag_override();
}

void check_ports(Options& options) {
    if (options.ports.empty()) return;
    std::vector<std::uint16_t> monitored;
    std::set_difference(options.ports.begin(), options.ports.end(), options.excluded_ports.begin(),
                        options.excluded_ports.end(), std::back_inserter(monitored));
    options.ports = std::move(monitored);
    if (options.ports.empty()) {
        throw Error(ExitCode::usage,
                    "--exclude-port takes out every port of --localport: leave one in");
    }
    if (options.ports.size() > JSG_SERVICES) {
        throw Error(
            ExitCode::usage,
            fmt::format("--localport: {} ports, but {} can be monitored at once: give fewer",
                        options.ports.size(), JSG_SERVICES));
    }
}

void check_times(Options& options, const std::optional<std::uint32_t>& learn_s) {
    if (options.window_s % options.step_s != 0) {
        const std::uint32_t next = round_up(options.window_s, options.step_s);
        throw Error(
            ExitCode::usage,
            fmt::format("--window {} is not a multiple of --step {}: make it {}", options.window_s,
                        options.step_s, next > max_window_s ? next - options.step_s : next));
    }
    // Only a time that the user gave is checked. The default is rounded up to a multiple of the
    // step.
    options.learn_s = learn_s.value_or(round_up(options.learn_s, options.step_s));
    check_learning_time(options.learn_s, options.step_s);
}

// node_exporter reads only *.prom, so it ignores the temporary file while that is written.
void check_textfile_name(const Options& options) {
    if (!options.textfile) return;
    const std::filesystem::path file = *options.textfile;
    if (file.extension() != ".prom")
        refuse_value("--textfile", *options.textfile, "give a name that ends in .prom");
}

void check_exit_on_alert(Options& options, const std::optional<std::string>& written) {
    if (!written) return;
    if (written->empty()) {
        options.exit_on_alert = static_cast<int>(ExitCode::alert);
        return;
    }
    const auto code = whole_number(*written, 0, max_exit_code);
    if (!code) {
        refuse_value("--exit-on-alert", *written,
                     fmt::format("give an exit code from 0 to {}", max_exit_code));
    }
    options.exit_on_alert = static_cast<int>(*code);
}

void settle_kept_baseline(Options& options, const std::optional<std::string>& file) {
    if (!file) return;
    if (options.save_baseline_file)
        throw Error(ExitCode::usage,
                    "--keep-baseline writes its file as --save-baseline does: leave one out");
    options.kept_baseline_file = options.save_baseline_file = file;
}

void check_life(const Options& options) {
    if (options.persist + options.unload + options.probe > 1)
        throw Error(ExitCode::usage,
                    "--persist, --unload and --probe exclude each other: give one");
    if (options.unload && (options.baseline_file || options.save_baseline_file || options.textfile))
        throw Error(ExitCode::usage,
                    "--unload reads and writes no file: leave out --baseline, --save-baseline, "
                    "--keep-baseline and --textfile");
    if (options.unload && options.exit_on_alert)
        throw Error(ExitCode::usage, "--unload waits for no alert: leave out --exit-on-alert");
}

Options settle(Written written) {
    Options& options = written.options;
    const std::uint32_t both =
        written.threshold_nanobits.value_or(options.occupancy_threshold_nanobits);
    options.transition_threshold_nanobits = written.transition_threshold_nanobits.value_or(both);
    options.occupancy_threshold_nanobits = written.occupancy_threshold_nanobits.value_or(both);
    check_ports(options);
    check_times(options, written.learn_s);
    check_exit_on_alert(options, written.exit_on_alert);
    check_textfile_name(options);
    settle_kept_baseline(options, written.keep_baseline_file);
    check_life(options);
    if (options.pin_dir.front() != '/') {
        refuse_value("--pin-dir", options.pin_dir, "give a path that begins with /");
    }
    return std::move(options);
}

}  // namespace

std::variant<Options, Answer> parse_options(int argc, const char* const* argv) {
    Written written;
    CLI::App app(
        "Monitors TCP connections from inside the kernel, and raises an alert when their phases "
        "or\ntransitions differ from what is normal, as in a slow HTTP attack.",
        "jsguard-load");
    app.get_formatter()->column_width(34);
    OptionAdder add(app);
    add_what_is_monitored(add, written);
    add_when_to_alert(add, written);
    add_time_and_learning(add, written);
    add_output(add, written);
    add_life(add, written);
    app.set_help_flag("-h,--help", "print this and exit")->group("Output and exit");
    app.set_version_flag("-V,--version", "jsguard-load " JSGUARD_VERSION,
                         "print the version and exit")
        ->group("Output and exit");
    app.footer(
        fmt::format("Exit codes: {} clean, {} runtime failure, {} usage, {} the kernel lacks "
                    "something, {} not permitted.",
                    static_cast<int>(ExitCode::clean), static_cast<int>(ExitCode::runtime),
                    static_cast<int>(ExitCode::usage), static_cast<int>(ExitCode::unsupported),
                    static_cast<int>(ExitCode::not_permitted)));
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        return Answer{app.help()};
    } catch (const CLI::CallForVersion& version) {
        return Answer{std::string(version.what()) + "\n"};
    } catch (const CLI::ExtrasError&) {
        throw unknown_argument(app, app.remaining().front(), "jsguard-load --help");
    } catch (const CLI::ParseError& error) {
        throw Error(ExitCode::usage,
                    fmt::format("{}: see jsguard-load --help", printable(error.what())));
    }
    return settle(std::move(written));
}

jsg_config make_config(const Options& options) {
    jsg_config config{};
    config.schema = JSG_SCHEMA;
    config.step_ns = options.step_s * second_ns;
    config.window_steps = options.window_s / options.step_s;
    config.learn_steps = options.learn_s / options.step_s;
    config.transition_threshold_nanobits = options.transition_threshold_nanobits;
    config.occupancy_threshold_nanobits = options.occupancy_threshold_nanobits;
    config.false_alarm_exponent = options.false_alarm_exponent;
    config.min_transitions = options.min_transitions;
    config.min_sockets = options.min_sockets;
    config.min_rate = options.min_rate;
    config.confirm_steps = options.confirm_windows;
    config.clear_steps = options.clear_windows;
    config.release_after_s = options.release_after_s;
    config.readings_per_service = jsg_readings_needed(config.window_steps);
    config.monitor_listeners = options.ports.empty() ? 1 : 0;
    return config;
}

}  // namespace jsguard
