// SPDX-License-Identifier: BSD-2-Clause
// jsguard replay: runs recorded windows through the kernel's code, and prints the resulting alerts.
#include "offline/replay/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cli/command.hpp"
#include "common/alert_text.hpp"
#include "common/clocks.hpp"
#include "common/defaults.hpp"
#include "common/error.hpp"
#include "common/option_adder.hpp"
#include "common/print.hpp"
#include "common/progress_bar.hpp"
#include "common/quantity_text.hpp"
#include "offline/recording/recording_file.hpp"

namespace jsguard {
namespace {

struct ReplayOptions {
    std::string file;
    ReplayChanges changes;
    std::optional<std::uint32_t> threshold_nanobits;  // of both signals
    std::optional<std::uint32_t> learn_s;
    std::optional<std::string> baseline_file;
    std::vector<std::uint16_t> ports;  // empty: all
    AlertForm output;
    bool check = false;
};

bool is_wanted(const ReplayOptions& options, const RecordingEntry& entry) {
    return options.ports.empty() ||
           std::binary_search(options.ports.begin(), options.ports.end(), recorded_port(entry));
}

ReplayChanges changes_of(const ReplayOptions& options, const RecordingHeader& header) {
    ReplayChanges changes = options.changes;
    if (!changes.transition_threshold_nanobits)
        changes.transition_threshold_nanobits = options.threshold_nanobits;
    if (!changes.occupancy_threshold_nanobits)
        changes.occupancy_threshold_nanobits = options.threshold_nanobits;
    if (options.learn_s) {
        const std::uint32_t step_s = step_seconds(header.config);
        check_learning_time(*options.learn_s, step_s);
        changes.learn_steps = *options.learn_s / step_s;
    }
    if (options.baseline_file) changes.baselines = read_baselines(*options.baseline_file);
    return changes;
}

// The replay of one file.
class RecordingReplay {
  public:
    explicit RecordingReplay(const ReplayOptions& options)
        : options_(options),
          reader_(options.file),
          replay_(reader_.header(), changes_of(options, reader_.header())),
          // The ID of a running detector has no word in it, so the two cannot be confused.
          origin_{reader_.header().host, fmt::format("replay-{:x}", reader_.header().unix_ms)} {}

    void run() {
        while (const auto entry = reader_.next()) {
            bar_.show(reader_.bytes_read(), reader_.bytes());
            if (is_wanted(options_, *entry)) take(*entry);
        }
        bar_.hide();
        finish();
    }

  private:
    void take(const RecordingEntry& entry) {
        if (const auto* gap = std::get_if<RecordedGap>(&entry)) log_gap(*gap);
        const Replayed replayed = replay_.take(entry);
        for (const jsg_alert& alert : replayed.alerts) {
            bar_.hide();
            print_line(alert_text(alert, origin_, options_.output));
            raised_ += alert.event == JSG_RAISE;
        }
        if (options_.check && replayed.window)
            compare(std::get<RecordedWindow>(entry).record, *replayed.window);
    }

    void log_gap(const RecordedGap& gap) {
        bar_.hide();
        ++gaps_;
        log_line(fmt::format(
            "port {}: {} from number {} on {} missing in the recording; verdicts after {} may "
            "differ",
            gap.port, counted(gap.windows, "window", "windows"), gap.sequence,
            gap.windows == 1 ? "is" : "are", gap.windows == 1 ? "it" : "them"));
    }

    void compare(const jsg_window& recorded, const jsg_window& replayed) {
        const auto difference = window_difference(recorded, replayed);
        if (!difference) return;
        bar_.hide();
        throw Error(
            ExitCode::runtime,
            fmt::format("window {} of port {} is not as recorded{}: {}", recorded.sequence,
                        recorded.port, gaps_ ? ", after missing windows" : "", *difference));
    }

    void finish() const {
        if (replay_.windows() == 0)
            throw Error(ExitCode::usage,
                        fmt::format("{} has no window{}: give another recording{}",
                                    printable(options_.file),
                                    options_.ports.empty() ? "" : " of these ports",
                                    options_.ports.empty() ? "" : ", or other ports"));
        if (reader_.cut_lines()) log_line(cut_short_text(options_.file));
        log_line(fmt::format(
            "{}{}, {} raised, {} missing in {}", counted(replay_.windows(), "window", "windows"),
            options_.check ? ", all as recorded" : "", counted(raised_, "alert", "alerts"),
            counted(replay_.missing_windows(), "window", "windows"),
            counted(gaps_, "gap", "gaps")));
    }

    const ReplayOptions& options_;
    RecordingReader reader_;
    Replay replay_;
    Origin origin_;
    TerminalBar bar_{"replaying"};
    std::uint64_t raised_ = 0;
    std::uint64_t gaps_ = 0;
};

// Whether any option changes the configuration or the baselines of the recording.
bool has_changes(const ReplayOptions& options) {
    const ReplayChanges& changes = options.changes;
    return options.threshold_nanobits || options.learn_s || options.baseline_file ||
           changes.transition_threshold_nanobits || changes.occupancy_threshold_nanobits ||
           changes.false_alarm_exponent || changes.min_sockets || changes.min_transitions ||
           changes.confirm_steps || changes.clear_steps;
}

int run_replay(const ReplayOptions& options) {
    if (options.check && has_changes(options))
        throw Error(
            ExitCode::usage,
            "--check needs the configuration of the recording: leave out the options that change "
            "it, or --check");
    RecordingReplay(options).run();
    return static_cast<int>(ExitCode::clean);
}

void add_alert_options(OptionAdder& add, ReplayOptions& options) {
    ReplayChanges& changes = options.changes;
    add.group("When to raise an alert (default: as in the recording)");
    add.threshold("--threshold", "threshold of both signals in bits, or auto: from the spread",
                  options.threshold_nanobits);
    add.threshold("--transition-threshold", "threshold of transitions, or auto",
                  changes.transition_threshold_nanobits);
    add.threshold("--occupancy-threshold", "threshold of occupancy, or auto",
                  changes.occupancy_threshold_nanobits);
    add.probability("--false-alarm", "false-positive probability per window",
                    store_in(changes.false_alarm_exponent));
    add.whole("", "--min-sockets", "N", max_sockets,
              "minimum number of stalled sockets above twice the expected number",
              store_in(changes.min_sockets));
    add.whole("", "--min-transitions", "N", max_count,
              "minimum number of transitions in the window", store_in(changes.min_transitions));
    add.whole("", "--confirm", "N", max_learn_s,
              "windows above the threshold in a row that raise an alert",
              store_in(changes.confirm_steps));
    add.whole("", "--clear", "N", max_learn_s,
              "windows below the threshold in a row that clear an alert",
              store_in(changes.clear_steps));
}

void add_replayed_options(OptionAdder& add, ReplayOptions& options) {
    add.group("What to replay");
    add.ports("-L,--localport,--port", "--port", "only these ports", options.ports);
    add.path("--baseline", "FILE", "the baselines in FILE are in force from the first window on",
             store_in(options.baseline_file));
    add.whole("", "--learn", "SECONDS", max_learn_s,
              "ports without a baseline from --baseline learn from the first window on",
              store_in(options.learn_s));
}

void add_output_options(OptionAdder& add, ReplayOptions& options) {
    add.group("Output");
    add.flag("--json", "print one JSON object a line, not text", options.output.json)
        ->disable_flag_override();
    add.flag("-T,--timestamp", "begin each line of text with the time (UTC)",
             options.output.timestamp)
        ->disable_flag_override();
    add.flag("--check",
             fmt::format("compare every window with the recorded one; exit with {} at the first "
                         "that differs",
                         static_cast<int>(ExitCode::runtime)),
             options.check)
        ->disable_flag_override();
}

}  // namespace

void add_replay(CLI::App& app, Run& run) {
    const auto options = std::make_shared<ReplayOptions>();
    CLI::App& command = *app.add_subcommand(
        "replay", "run recorded windows through the kernel's code, and print the resulting alerts");
    command.add_option("FILE", options->file, "a recording made by `jsguard record`")->required();
    OptionAdder add(command);
    add_alert_options(add, *options);
    add_replayed_options(add, *options);
    add_output_options(add, *options);
    command.callback([options, &run] { run = [options] { return run_replay(*options); }; });
}

}  // namespace jsguard
