// SPDX-License-Identifier: BSD-2-Clause
// jsguard-load: loads the detector into the kernel and prints its alerts.
#include <sys/random.h>
#include <sys/utsname.h>
#include <syslog.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <optional>

#include "alert_text.hpp"
#include "counted.hpp"
#include "detector.hpp"
#include "error.hpp"
#include "exposition.hpp"
#include "print_line.hpp"
#include "progress.hpp"
#include "system_log.hpp"

namespace jsguard {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int poll_ms = 200;
constexpr auto look_around_every = std::chrono::milliseconds(900);
constexpr auto log_patience = std::chrono::seconds(1);  // at the end

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

// Unique over restarts and boots: the time in seconds, and 16 random bits for two in one second.
Origin make_origin() {
    utsname names{};
    uname(&names);
    std::uint16_t chance = 0;
    if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
        chance = static_cast<std::uint16_t>(getpid());
    return {names.nodename, fmt::format("{:08x}{:04x}", std::time(nullptr), chance)};
}

// Prints alerts until a signal, the duration or --exit-on-alert ends it; the exit code.
int watch(Detector& detector, const Options& options, Progress& progress, SystemLog* log) {
    std::optional<Exposition> exposition;
    if (options.textfile) exposition.emplace(options.pin_dir, *options.textfile);
    const Origin origin = make_origin();
    const auto start = Clock::now();
    auto look_around_at = start;
    bool alerted = false;
    while (!stop_requested) {
        detector.poll(poll_ms, [&](const jsg_alert& alert) {
            if (alerted && options.exit_on_alert) return;
            if (log) log->send(alert_message(alert, origin));
            progress.hide_bar();
            print_line(alert_text(alert, origin, options));
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
        if (const std::string news = exposition ? exposition->update() : ""; !news.empty())
            progress.say(news);
        if (const std::string news = log ? log->retry() : ""; !news.empty()) progress.say(news);
        if (now < look_around_at) continue;
        look_around_at = now + look_around_every;
        progress.update(detector.services(), detector.stats(),
                        {[&](std::uint32_t place) { return detector.baseline(place); },
                         [&](std::uint32_t place) { return detector.lesson(place); }});
        for (const std::string& doubt : progress.take_doubts())
            if (log) log->send(notice_message(LOG_WARNING, "doubt", doubt));
        if (options.save_baseline_file && progress.take_learned())
            write_baselines(*options.save_baseline_file, detector.baselines(),
                            origin_here(options.step_s));
    }
    return static_cast<int>(ExitCode::clean);
}

void finish_log(SystemLog& log, const std::string& summary) {
    log.send(notice_message(LOG_INFO, "end", summary));
    log.finish(log_patience);
    if (log.lost())
        fmt::print(stderr, "{} not taken by the system's log\n",
                   counted(log.lost(), "message", "messages"));
}

void finish(const Detector& detector, const Options& options, SystemLog* log) {
    const std::string summary = summary_line(detector.stats(), detector.missed_transitions());
    fmt::print(stderr, "{}\n", summary);
    if (log) finish_log(*log, summary);
    if (!options.save_baseline_file) return;
    if (const Baselines learned = detector.baselines(); !learned.empty())
        write_baselines(*options.save_baseline_file, learned, origin_here(options.step_s));
    else
        fmt::print(stderr, "no baseline was learned, so {} was not written\n",
                   *options.save_baseline_file);
}

int guard(const Options& options) {
    Baselines baselines;
    if (options.baseline_file) baselines = read_baselines(*options.baseline_file);
    if (options.save_baseline_file) check_baseline_target(*options.save_baseline_file);
    if (options.textfile) check_textfile(*options.textfile);

    catch_signals();
    Detector detector;
    detector.load(options, baselines);
    detector.pin();
    detector.attach();
    detector.adopt_sockets();
    detector.arm_clock();
    const auto ports = detector.guarded_ports();
    const std::string started = start_line(options, ports, detector.baselines().size());
    fmt::print(stderr, "{}\n", started);
    std::optional<SystemLog> system_log;
    if (options.syslog) system_log.emplace().send(notice_message(LOG_INFO, "start", started));
    SystemLog* const log = system_log ? &*system_log : nullptr;
    if (const auto left_out = detector.namespaces_left_out())
        fmt::print(
            stderr,
            "{} network namespaces could not be entered: sockets that are open there are not "
            "known\n",
            left_out);
    if (options.verbose) fmt::print(stderr, "{}\n", detector.describe());

    Progress progress(options, isatty(STDERR_FILENO) == 1);
    const int code = watch(detector, options, progress, log);
    progress.hide_bar();
    finish(detector, options, log);
    return code;
}

}  // namespace
}  // namespace jsguard

int main(int argc, char** argv) {
    using namespace jsguard;
    try {
        const auto request = parse_options(argc, argv);
        if (const auto* answer = std::get_if<Answer>(&request)) {
            fmt::print("{}", answer->text);
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
