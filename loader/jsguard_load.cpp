// SPDX-License-Identifier: BSD-2-Clause
// jsguard-load: loads the detector into the kernel and prints its alerts.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>

#include "alert_text.hpp"
#include "detector.hpp"
#include "error.hpp"
#include "outlets.hpp"
#include "print_line.hpp"
#include "progress.hpp"

namespace jsguard {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int poll_ms = 200;
constexpr auto look_around_every = std::chrono::milliseconds(900);

volatile std::sig_atomic_t stop_requested = 0;
volatile std::sig_atomic_t relearn_requested = 0;

void request_stop(int) { stop_requested = 1; }
void request_relearn(int) { relearn_requested = 1; }

void catch_signals() {
    struct sigaction action {};
    action.sa_handler = request_stop;
    for (const int number : {SIGINT, SIGTERM}) sigaction(number, &action, nullptr);
    struct sigaction before {};
    sigaction(SIGHUP, nullptr, &before);
    action.sa_handler = request_relearn;
    if (before.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);  // else nohup asked
    std::signal(SIGPIPE, SIG_IGN);  // a closed stdout shows when it is written
}

// What the services have learned, and what is told and saved of it.
void look_around(const Detector& detector, const Options& options, Progress& progress,
                 Outlets& outlets) {
    progress.update(detector);
    for (const std::string& doubt : progress.take_doubts()) outlets.doubt(doubt);
    if (options.save_baseline_file && progress.take_learned())
        write_baselines(*options.save_baseline_file, detector.baselines(),
                        origin_here(options.step_s));
}

// Hands on alerts until a signal, the duration or --exit-on-alert ends it; the exit code.
int watch(Detector& detector, const Options& options, Progress& progress, Outlets& outlets) {
    const auto start = Clock::now();
    auto look_around_at = start;
    bool alerted = false;
    while (!stop_requested) {
        detector.poll(poll_ms, [&](const jsg_alert& alert) {
            if (alerted && options.exit_on_alert) return;
            outlets.alert(alert);
            alerted = alerted || alert.event == JSG_RAISE;
        });
        if (alerted && options.exit_on_alert) return *options.exit_on_alert;
        const auto now = Clock::now();
        if (options.duration_s && now - start >= std::chrono::seconds(*options.duration_s)) break;
        if (relearn_requested) {
            relearn_requested = 0;
            if (progress.terminal_is_gone()) break;
            detector.relearn();
        }
        outlets.step();
        if (now < look_around_at) continue;
        look_around_at = now + look_around_every;
        look_around(detector, options, progress, outlets);
    }
    return static_cast<int>(ExitCode::clean);
}

void save_baselines(const Detector& detector, const Options& options) {
    if (const Baselines learned = detector.baselines(); !learned.empty())
        write_baselines(*options.save_baseline_file, learned, origin_here(options.step_s));
    else
        fmt::print(stderr, "no baseline was learned, so {} was not written\n",
                   *options.save_baseline_file);
}

void start(Detector& detector, const Options& options, const Baselines& baselines) {
    detector.load(options, baselines);
    detector.pin();
    detector.attach();
    detector.adopt_sockets();
    detector.arm_clock();
}

// From the first line to the last of a detector that runs; the exit code.
int watch_to_the_end(Detector& detector, const Options& options, Progress& progress,
                     Outlets& outlets) {
    const std::string started =
        start_line(options, detector.guarded_ports(), detector.baselines().size());
    fmt::print(stderr, "{}\n", started);
    outlets.begin(started);
    if (const auto left_out = detector.namespaces_left_out())
        fmt::print(
            stderr,
            "{} network namespaces could not be entered: sockets that are open there are not "
            "known\n",
            left_out);
    if (options.verbose) fmt::print(stderr, "{}\n", detector.describe());

    const int code = watch(detector, options, progress, outlets);
    progress.hide_bar();
    const std::string summary = summary_line(detector.stats(), detector.missed_transitions());
    fmt::print(stderr, "{}\n", summary);
    if (options.save_baseline_file) save_baselines(detector, options);
    outlets.end(summary);
    return code;
}

int guard(const Options& options) {
    Baselines baselines;
    if (options.baseline_file) baselines = read_baselines(*options.baseline_file);
    if (options.save_baseline_file) check_baseline_target(*options.save_baseline_file);

    catch_signals();  // before anything is there that would be left behind
    Progress progress(options, isatty(STDERR_FILENO) == 1);
    Outlets outlets(options, progress);
    Detector detector;
    start(detector, options, baselines);
    try {
        return watch_to_the_end(detector, options, progress, outlets);
    } catch (const std::exception& error) {
        outlets.end_by_error(error.what());
        throw;
    }
}

}  // namespace
}  // namespace jsguard

int main(int argc, char** argv) {
    using namespace jsguard;
    try {
        const auto request = parse_options(argc, argv);
        if (const auto* answer = std::get_if<Answer>(&request)) {
            print_text(answer->text);
            return static_cast<int>(ExitCode::clean);
        }
        return guard(std::get<Options>(request));
    } catch (const Error& error) {
        fmt::print(stderr, "jsguard-load: {}\n", error.what());
        return static_cast<int>(error.code());
    } catch (const std::exception& error) {
        fmt::print(stderr, "jsguard-load: {}\n", error.what());
        return static_cast<int>(ExitCode::runtime);
    }
}
