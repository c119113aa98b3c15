// SPDX-License-Identifier: BSD-2-Clause
// jsguard export: the windows of a running detector as rows, and its figures for Prometheus.
#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "cli/command.hpp"
#include "cli/past_time.hpp"
#include "cli/status_text.hpp"
#include "common/clocks.hpp"
#include "common/error.hpp"
#include "common/print.hpp"
#include "common/quantity_text.hpp"
#include "observe/following.hpp"
#include "observe/observer.hpp"
#include "observe/prometheus_text.hpp"
#include "observe/window_export.hpp"

namespace jsguard {
namespace {

struct ExportOptions {
    std::string format;
    std::string since;
    std::string pin_dir = default_pin_dir;
    std::uint16_t port = 0;
    bool follow = false;
    bool columns = false;
};

void check(const ExportOptions& options) {
    if (options.columns) return;
    if (options.format.empty())
        throw Error(
            ExitCode::usage,
            "--format is required: csv, json or prometheus; --columns lists the columns of csv and "
            "json");
    if (options.format != "prometheus") return;
    if (options.follow)
        throw Error(
            ExitCode::usage,
            "--format prometheus prints the present values only: leave out --follow, or use "
            "jsguard-load --textfile, which writes a file at each step");
    if (!options.since.empty())
        throw Error(
            ExitCode::usage,
            "--format prometheus prints the present values only: leave out --since, or use csv "
            "or json");
}

void export_prometheus(const PinnedDetector& detector, const ExportOptions& options) {
    Observation seen = Observer(detector).observe();
    check_runs(seen, options.pin_dir);
    if (options.port) keep_port(seen, options.port);
    print_text(prometheus_text(seen));
}

std::string summary(const WindowExport& windows) {
    return fmt::format("{} exported, {} missed", counted(windows.handed_on(), "window", "windows"),
                       windows.missed());
}

void log_no_service(const ExportOptions& options, const WindowExport& windows) {
    if (windows.following()) return;
    log_line(options.follow ? waiting_text(options.port) : no_service_text(options.port));
}

// Prints windows until a signal comes or the detector ends.
void export_until_stopped(const PinnedDetector& detector, const Silence& silence,
                          WindowExport& windows) {
    stop_at({SIGINT, SIGTERM});
    bool pinned = true;
    while (!stop_requested && pinned) {
        std::this_thread::sleep_for(poll_every);
        pinned = detector.is_pinned();
        windows.follow();
        if (const auto line = pinned ? silence.text() : std::nullopt) {
            windows.finish();
            throw Error(ExitCode::runtime, fmt::format("{}; {}", summary(windows), *line));
        }
    }
    windows.finish();
    if (!pinned) log_line(detector_ended);
    log_line(summary(windows));
}

void export_windows(const PinnedDetector& detector, const ExportOptions& options,
                    std::uint64_t since_unix_ms) {
    const bool csv = options.format == "csv";
    if (csv) print_line(csv_header());
    WindowExport windows(
        detector.reader(), options.port, since_unix_ms,
        [csv](const ExportedWindow& row) { print_line(csv ? csv_row(row) : json_row(row)); },
        [](const std::string& line) { log_line(line); });
    const Silence silence(detector);
    const bool silent = silence.text().has_value();
    windows.follow();
    if (!silent) log_no_service(options, windows);
    if (options.follow && !silent) return export_until_stopped(detector, silence, windows);
    windows.finish();
    silence.check();
}

int run_export(const ExportOptions& options) {
    check(options);
    const std::uint64_t since_unix_ms =
        options.since.empty() ? 0 : past_time(options.since, unix_now_ms());
    if (options.columns) {
        print_while_read([] { print_text(columns_text()); });
        return static_cast<int>(ExitCode::clean);
    }
    const PinnedDetector detector(options.pin_dir);
    print_while_read([&] {
        if (options.format == "prometheus")
            export_prometheus(detector, options);
        else
            export_windows(detector, options, since_unix_ms);
    });
    return static_cast<int>(ExitCode::clean);
}

}  // namespace

void add_export(CLI::App& app, Run& run) {
    auto options = std::make_shared<ExportOptions>();
    CLI::App* command = app.add_subcommand(
        "export", "print the windows of a running detector with all their figures");
    command
        ->add_option(
            "--format", options->format,
            "csv or json (docs/export.md): a line for each window that the detector still keeps; "
            "prometheus: the present values")
        ->type_name("FORMAT")
        ->check(CLI::IsMember({"csv", "json", "prometheus"}).description(""));
    command->add_flag("--follow", options->follow, "continue with new windows as they close");
    command
        ->add_option(
            "--since", options->since,
            "only windows that ended at this time or later: how long ago (90s, 10m, 2h, 1d), or a "
            "time in UTC (2026-01-02T03:04:05Z, or as jsguard prints it)")
        ->type_name("WHEN");
    add_port(*command, options->port, "only this port");
    add_pin_dir(*command, options->pin_dir);
    command->add_flag("--columns", options->columns, "print each column's name, unit and meaning");
    command->callback([options, &run] { run = [options] { return run_export(*options); }; });
}

}  // namespace jsguard
