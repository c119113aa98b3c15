// SPDX-License-Identifier: BSD-2-Clause
// jsguard-load: loads the detector into the kernel and prints its alerts.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <vector>

#include "common/error.hpp"
#include "common/file_replacement.hpp"
#include "common/print.hpp"
#include "common/quantity_text.hpp"
#include "load/detector.hpp"
#include "load/outlets.hpp"
#include "load/persisted.hpp"
#include "load/pins.hpp"
#include "load/privilege.hpp"
#include "load/probe.hpp"
#include "load/progress.hpp"
#include "load/run_lines.hpp"
#include "load/systemd.hpp"

namespace jsguard {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int poll_ms = 200;
constexpr auto report_interval = std::chrono::milliseconds(900);

volatile std::sig_atomic_t stop_requested = 0;
volatile std::sig_atomic_t relearn_requested = 0;
volatile std::sig_atomic_t hangup_received = 0;

void request_stop(int) { stop_requested = 1; }
void request_relearn(int) { relearn_requested = 1; }
void note_hangup(int) { hangup_received = 1; }

void catch_signals() {
    struct sigaction action {};
    action.sa_handler = request_stop;
    for (const int number : {SIGINT, SIGTERM}) sigaction(number, &action, nullptr);
    action.sa_flags = SA_RESTART;  // wait for a slow reader of stdout
    action.sa_handler = request_relearn;
    sigaction(SIGUSR2, &action, nullptr);
    struct sigaction before {};
    sigaction(SIGHUP, nullptr, &before);
    action.sa_handler = note_hangup;
    if (before.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);  // nohup ignores SIGHUP
}

// A file that cannot be written must not end jsguard-load. The end tries again.
void save_learned(const Detector& detector, const Outlets& outlets, Progress& progress) {
    try {
        outlets.save(detector.reader().learned_baselines());
    } catch (const Error& error) {
        progress.print(
            fmt::format("{}; keeps monitoring, and tries again at the end", error.what()));
    }
}

// Prints, logs and saves what the services have learned.
void report_learning(const Detector& detector, const Options& options, Progress& progress,
                     Outlets& outlets) {
    progress.update(detector.reader());
    for (const std::string& warning : progress.take_warnings()) outlets.warning(warning);
    if (options.save_baseline_file && progress.take_learned())
        save_learned(detector, outlets, progress);
}

// Passes on alerts until a signal, the duration or --exit-on-alert ends it. Returns the exit code.
// alerted: an alert of the detector that was replaced has been printed already.
int watch(Detector& detector, const Options& options, Progress& progress, Outlets& outlets,
          SystemdNotifier& systemd, bool alerted) {
    const auto start = Clock::now();
    auto report_at = start;
    const std::size_t max_alerts = options.exit_on_alert ? 1 : SIZE_MAX;  // in one poll
    while (!stop_requested) {
        const auto pass_on = [&](const jsg_alert& alert) {
            outlets.alert(alert, detector.reader().config().instance);
            alerted = alerted || alert.event == JSG_RAISE;
        };
        if (alerted && options.exit_on_alert) {
            if (!options.persist)
                detector.poll(0, pass_on);  // the detector ends, and its other alerts with it
            return *options.exit_on_alert;
        }
        detector.poll(poll_ms, pass_on, max_alerts);
        const auto now = Clock::now();
        if (options.duration_s && now - start >= std::chrono::seconds(*options.duration_s)) break;
        if (relearn_requested) {
            relearn_requested = 0;
            detector.reader().request_relearning();
        }
        // Tools for configuration and for logs send SIGHUP, so it must not change what is normal.
        if (hangup_received) {
            hangup_received = 0;
            if (progress.terminal_is_gone()) break;
            progress.print(
                "SIGHUP changes nothing: the options are those of the start; to relearn, run "
                "jsguard baseline relearn");
        }
        outlets.step();
        if (detector.is_ticking())
            systemd.alive();  // systemd's watchdog also watches the kernel's timer
        progress.print_if_any(systemd.take_problem());
        if (now < report_at) continue;
        report_at = now + report_interval;
        report_learning(detector, options, progress, outlets);
    }
    return static_cast<int>(ExitCode::clean);
}

void save_baselines(const Detector& detector, const Options& options, const Outlets& outlets) {
    if (const Baselines learned = detector.reader().learned_baselines(); !learned.empty())
        outlets.save(learned);
    else
        log_line(fmt::format("no baseline was learned, so {} was not written",
                             *options.save_baseline_file));
}

// The result of start().
struct StartResult {
    bool joined = false;   // the detector of an earlier loader
    bool alerted = false;  // the detector that was replaced had raised an alert
};

// Joins the detector that an earlier loader left in the kernel, or starts a new one. A new detector
// replaces the earlier one only after it runs.
StartResult start(Detector& detector, const Options& options, const Baselines& baselines,
                  Outlets& outlets) {
    StartResult result;
    if (detector.join(options, baselines)) {
        result.joined = true;
        if (!options.persist) detector.unpersist();
    } else {
        detector.load(options, baselines);
        detector.attach();
        detector.adopt_sockets();
        detector.arm_clock();
        detector.pin([&](const jsg_alert& alert, std::uint64_t instance) {
            outlets.alert(alert, instance);
            result.alerted = result.alerted || alert.event == JSG_RAISE;
        });
    }
    if (options.persist) detector.persist();
    return result;
}

// Prints what is monitored and how. Then drops the privilege that is no longer needed.
void finish_start(Detector& detector, const Options& options, Outlets& outlets,
                  SystemdNotifier& systemd) {
    for (const std::string& note : detector.notes()) log_line(note);
    const std::string started = start_line(options, detector.reader().monitored_ports(),
                                           detector.reader().learned_baselines().size());
    // With --syslog outlets.begin() logs this line. The journal must not have it twice.
    if (!options.syslog || !stderr_is_the_journal()) log_line(started);
    if (const auto left_out = detector.namespaces_left_out())
        log_line(
            fmt::format("{} could not be entered: sockets that are open there are unknown; start "
                        "jsguard-load with CAP_SYS_ADMIN and CAP_SYS_PTRACE",
                        counted(left_out, "network namespace", "network namespaces")));
    if (options.verbose) log_line(detector.describe());
    outlets.begin(started, detector.reader(), detector.descriptors());
    FileAccess access = detector.file_access();
    access.outputs = outlets.directories();
    const FileLimits limits = drop_privilege(access);
    if (options.verbose || limits.is_unexpected()) log_line("file access is " + text_of(limits));
    systemd.ready(started);
}

// A new detector must not remain in the kernel if its loader cannot finish the start.
void finish_start_or_undo(Detector& detector, const Options& options, Outlets& outlets,
                          SystemdNotifier& systemd, bool joined) {
    try {
        finish_start(detector, options, outlets, systemd);
    } catch (const std::exception&) {
        if (!joined) detector.unpersist();
        throw;
    }
}

// Prints what was found and lost, and what remains in the kernel. Called at every end, also after
// an error. Returns the first line.
std::string print_end(const Detector& detector, const Options& options, Progress& progress) {
    progress.hide_bar();
    const std::string summary = summary_line(detector.reader().stats());
    log_line(summary);
    if (options.persist)
        log_line(fmt::format(
            "the detector remains in the kernel, pinned in {}; jsguard-load --unload takes it out",
            printable(options.pin_dir)));
    return summary;
}

int watch_or_print_end(Detector& detector, const Options& options, Progress& progress,
                       Outlets& outlets, SystemdNotifier& systemd, bool alerted) {
    try {
        return watch(detector, options, progress, outlets, systemd, alerted);
    } catch (const std::exception&) {
        print_end(detector, options, progress);
        throw;
    }
}

// Everything from the first line to the last of a detector that runs. Returns the exit code.
int watch_to_the_end(Detector& detector, const Options& options, Progress& progress,
                     Outlets& outlets, SystemdNotifier& systemd, StartResult result) {
    finish_start_or_undo(detector, options, outlets, systemd, result.joined);
    const int code =
        watch_or_print_end(detector, options, progress, outlets, systemd, result.alerted);
    systemd.stopping();
    const std::string summary = print_end(detector, options, progress);
    if (options.save_baseline_file) save_baselines(detector, options, outlets);
    outlets.end(summary);
    return code;
}

// These files are written later, when the privilege has been dropped.
void check_writable_later(const Options& options) {
    if (options.save_baseline_file)
        need_writable_without_privilege(resolve(*options.save_baseline_file), "--save-baseline");
    if (options.textfile) need_writable_without_privilege(*options.textfile, "--textfile");
}

// A port has the baseline of the kept file, or else that of --baseline.
Baselines read_given_baselines(const Options& options) {
    Baselines given;
    std::error_code none;
    if (options.kept_baseline_file && std::filesystem::exists(*options.kept_baseline_file, none))
        given = read_baselines(*options.kept_baseline_file);
    if (options.baseline_file) given.merge(read_baselines(*options.baseline_file));
    return given;
}

int monitor(const Options& options, SystemdNotifier& systemd) {
    const Baselines baselines = read_given_baselines(options);
    if (options.save_baseline_file) check_baseline_target(*options.save_baseline_file);
    check_writable_later(options);

    catch_signals();  // before anything is in the kernel that a signal would leave there
    Progress progress(options, isatty(STDERR_FILENO) == 1);
    Detector detector;  // must outlive the outlets, which read it
    Outlets outlets(options, progress);
    // A reader of the output that reads nothing must not make systemd's watchdog end the detector.
    const OutputWait wait([&] {
        if (detector.is_ticking()) systemd.alive();
        return !stop_requested && !(hangup_received && progress.terminal_is_gone());
    });
    const StartResult result = start(detector, options, baselines, outlets);
    try {
        return watch_to_the_end(detector, options, progress, outlets, systemd, result);
    } catch (const std::exception& error) {
        outlets.end_by_error(error.what());
        throw;
    }
}

// --unload: prints the unread alerts of the detector that an earlier loader left in the kernel, and
// takes it out. Also removes what a killed jsguard-load left. Throws Error(runtime) if there is no
// detector, or if a jsguard-load still uses it.
void unload(const Options& options) {
    Progress progress(options, false);
    Outlets outlets(options, progress);
    const auto none = [&] {
        return Error(ExitCode::runtime,
                     fmt::format("there is no persisted detector in {}: nothing to remove",
                                 printable(options.pin_dir)));
    };
    std::error_code ignored;
    if (!std::filesystem::exists(options.pin_dir, ignored))
        throw none();  // and Pins would create it
    Pins pins(options.pin_dir);
    const auto left = Persisted::find(pins);
    if (!left && !pins.has_any()) throw none();
    if (left) {
        const std::string summary = left->summary();
        const std::size_t unknown = left->end([&](const jsg_alert& alert) {
            outlets.alert(alert, left->reader().config().instance);
        });
        if (!summary.empty()) log_line(summary);
        if (unknown)
            log_line(fmt::format("{} not shown, because another version of jsguard raised them",
                                 counted(unknown, "alert", "alerts")));
    } else {
        pins.remove_all();
    }
    const std::string line = fmt::format(
        "{} {}", left ? "took out the detector in" : "removed what a killed jsguard-load left in",
        printable(options.pin_dir));
    log_line(line);
    outlets.end(line);
}

int run(int argc, char** argv, SystemdNotifier& systemd) {
    const auto request = parse_options(argc, argv);
    if (const auto* answer = std::get_if<Answer>(&request)) {
        print_text(answer->text);
        return static_cast<int>(ExitCode::clean);
    }
    const Options& options = std::get<Options>(request);
    if (options.probe) return probe(options);
    if (!options.unload) return monitor(options, systemd);
    unload(options);
    return static_cast<int>(ExitCode::clean);
}

}  // namespace
}  // namespace jsguard

int main(int argc, char** argv) {
    using namespace jsguard;
    std::signal(SIGPIPE, SIG_IGN);  // writing to a closed stdout then fails
    return exit_code_of("jsguard-load", [&] {
        SystemdNotifier systemd;
        try {
            return run(argc, argv, systemd);
        } catch (const std::exception& error) {
            systemd.status(error.what());
            throw;
        }
    });
}
