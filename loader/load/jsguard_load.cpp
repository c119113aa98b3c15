// SPDX-License-Identifier: BSD-2-Clause
// jsguard-load: loads the detector into the kernel and prints its alerts.
#include <unistd.h>

#include <chrono>
#include <csignal>

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
#include "load/service_manager.hpp"

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
    action.sa_flags = SA_RESTART;  // a reader of stdout that is slow is waited for
    if (before.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);  // else nohup asked
}

// A file that cannot be written must not end the monitor: it is tried again at the end.
void save_learned(const Detector& detector, const Options& options, Progress& progress) {
    try {
        write_baselines(*options.save_baseline_file, detector.reader().learned_baselines(),
                        origin_here(options.step_s));
    } catch (const Error& error) {
        progress.say(fmt::format("{}; keeps monitoring, and tries again at the end", error.what()));
    }
}

// What the services have learned, and what is told and saved of it.
void look_around(const Detector& detector, const Options& options, Progress& progress,
                 Outlets& outlets) {
    progress.update(detector.reader());
    for (const std::string& warning : progress.take_warnings()) outlets.warning(warning);
    if (options.save_baseline_file && progress.take_learned())
        save_learned(detector, options, progress);
}

// Hands on alerts until a signal, the duration or --exit-on-alert ends it; the exit code.
// alerted: an alert of the detector that was there before has been told already.
int watch(Detector& detector, const Options& options, Progress& progress, Outlets& outlets,
          ServiceManager& manager, bool alerted) {
    const auto start = Clock::now();
    auto look_around_at = start;
    const std::size_t at_once = options.exit_on_alert ? 1 : SIZE_MAX;  // others may come after
    while (!stop_requested) {
        const auto hand_on = [&](const jsg_alert& alert) {
            outlets.alert(alert, detector.reader().config().instance);
            alerted = alerted || alert.event == JSG_RAISE;
        };
        if (alerted && options.exit_on_alert) {
            if (!options.persist) detector.poll(0, hand_on);  // the rest goes with the detector
            return *options.exit_on_alert;
        }
        detector.poll(poll_ms, hand_on, at_once);
        const auto now = Clock::now();
        if (options.duration_s && now - start >= std::chrono::seconds(*options.duration_s)) break;
        if (relearn_requested) {
            relearn_requested = 0;
            if (progress.terminal_is_gone()) break;
            detector.reader().request_relearning();
        }
        outlets.step();
        if (detector.reader().is_ticking())
            manager.alive();  // the manager's watchdog is on the kernel's timer
        progress.say_if_any(manager.take_trouble());
        if (now < look_around_at) continue;
        look_around_at = now + look_around_every;
        look_around(detector, options, progress, outlets);
    }
    return static_cast<int>(ExitCode::clean);
}

void save_baselines(const Detector& detector, const Options& options) {
    if (const Baselines learned = detector.reader().learned_baselines(); !learned.empty())
        write_baselines(*options.save_baseline_file, learned, origin_here(options.step_s));
    else
        tell(fmt::format("no baseline was learned, so {} was not written",
                         *options.save_baseline_file));
}

// What start() has come to.
struct Beginning {
    bool joined = false;   // an earlier loader's detector
    bool alerted = false;  // by one that was replaced
};

// A detector in the kernel: the one that an earlier loader left there, or a new one, which replaces
// that only once it is at work.
Beginning start(Detector& detector, const Options& options, const Baselines& baselines,
                Outlets& outlets) {
    Beginning beginning;
    if (detector.join(options, baselines)) {
        beginning.joined = true;
        if (!options.persist) detector.unpersist();
    } else {
        detector.load(options, baselines);
        detector.attach();
        detector.adopt_sockets();
        detector.arm_clock();
        detector.pin([&](const jsg_alert& alert, std::uint64_t instance) {
            outlets.alert(alert, instance);
            beginning.alerted = beginning.alerted || alert.event == JSG_RAISE;
        });
    }
    if (options.persist) detector.persist();
    return beginning;
}

// Tells what is monitored and how. From here on nothing more is permitted than is needed.
void settle(Detector& detector, const Options& options, Outlets& outlets, ServiceManager& manager) {
    for (const std::string& note : detector.notes()) tell(note);
    const std::string started = start_line(options, detector.reader().monitored_ports(),
                                           detector.reader().learned_baselines().size());
    // By --syslog it goes there too: once is enough in the journal.
    if (!options.syslog || !stderr_is_the_journal()) tell(started);
    if (const auto left_out = detector.namespaces_left_out())
        tell(fmt::format(
            "{} could not be entered, which takes CAP_SYS_ADMIN and CAP_SYS_PTRACE: sockets that "
            "are open there are not known",
            counted(left_out, "network namespace", "network namespaces")));
    if (options.verbose) tell(detector.describe());
    outlets.begin(started, detector.reader(), detector.descriptors());
    drop_privilege();
    manager.ready(started);
}

// A new detector must not stay in the kernel if its loader could not begin to monitor.
void settle_or_undo(Detector& detector, const Options& options, Outlets& outlets,
                    ServiceManager& manager, bool joined) {
    try {
        settle(detector, options, outlets, manager);
    } catch (const std::exception&) {
        if (!joined) detector.unpersist();
        throw;
    }
}

// What was found and lost, and what stays, is told however it ends; the first line.
std::string tell_end(const Detector& detector, const Options& options, Progress& progress) {
    progress.hide_bar();
    const std::string summary = summary_line(detector.reader().stats());
    tell(summary);
    if (options.persist)
        tell(fmt::format("the detector stays in {}; jsguard-load --unload takes it out",
                         printable(options.pin_dir)));
    return summary;
}

int watch_or_tell_end(Detector& detector, const Options& options, Progress& progress,
                      Outlets& outlets, ServiceManager& manager, bool alerted) {
    try {
        return watch(detector, options, progress, outlets, manager, alerted);
    } catch (const std::exception&) {
        tell_end(detector, options, progress);
        throw;
    }
}

// From the first line to the last of a detector that runs; the exit code.
int watch_to_the_end(Detector& detector, const Options& options, Progress& progress,
                     Outlets& outlets, ServiceManager& manager, Beginning beginning) {
    settle_or_undo(detector, options, outlets, manager, beginning.joined);
    const int code =
        watch_or_tell_end(detector, options, progress, outlets, manager, beginning.alerted);
    manager.stopping();
    const std::string summary = tell_end(detector, options, progress);
    if (options.save_baseline_file) save_baselines(detector, options);
    outlets.end(summary);
    return code;
}

// What is written while it runs is written without privilege.
void check_writable_later(const Options& options) {
    if (options.save_baseline_file)
        need_writable_without_privilege(resolve(*options.save_baseline_file), "--save-baseline");
    if (options.textfile) need_writable_without_privilege(*options.textfile, "--textfile");
}

int monitor(const Options& options) {
    Baselines baselines;
    if (options.baseline_file) baselines = read_baselines(*options.baseline_file);
    if (options.save_baseline_file) check_baseline_target(*options.save_baseline_file);
    check_writable_later(options);

    catch_signals();  // before anything is there that would be left behind
    ServiceManager manager;
    Progress progress(options, isatty(STDERR_FILENO) == 1);
    Detector detector;  // outlasts what the outlets read of it
    Outlets outlets(options, progress);
    const Beginning beginning = start(detector, options, baselines, outlets);
    try {
        return watch_to_the_end(detector, options, progress, outlets, manager, beginning);
    } catch (const std::exception& error) {
        outlets.end_by_error(error.what());
        throw;
    }
}

// --unload: takes out of the kernel the detector that an earlier loader left there, or what a
// killed one left behind. Alerts that nobody has read are printed first. Throws Error(runtime) if
// there is no detector, or a jsguard-load still uses it.
void unload(const Options& options) {
    Progress progress(options, false);
    Outlets outlets(options, progress);
    const auto none = [&] {
        return Error(ExitCode::runtime,
                     fmt::format("there is no persisted detector in {}: nothing to remove",
                                 printable(options.pin_dir)));
    };
    std::error_code ignored;
    if (!std::filesystem::exists(options.pin_dir, ignored)) throw none();  // and none is made
    Pins pins(options.pin_dir);
    const auto left = Persisted::find(pins);
    if (!left && !pins.has_any()) throw none();
    if (left) {
        const std::string summary = left->summary();
        const std::size_t unknown = left->end([&](const jsg_alert& alert) {
            outlets.alert(alert, left->reader().config().instance);
        });
        if (!summary.empty()) tell(summary);
        if (unknown)
            tell(fmt::format("{} of another version, not shown",
                             counted(unknown, "alert", "alerts")));
    } else {
        pins.remove_all();
    }
    const std::string line = fmt::format(
        "{} {}", left ? "took out the detector in" : "removed what a killed one left in",
        printable(options.pin_dir));
    tell(line);
    outlets.end(line);
}

}  // namespace
}  // namespace jsguard

int main(int argc, char** argv) {
    using namespace jsguard;
    std::signal(SIGPIPE, SIG_IGN);  // a closed stdout shows when it is written
    return exit_code_of("jsguard-load", [&] {
        const auto request = parse_options(argc, argv);
        if (const auto* answer = std::get_if<Answer>(&request)) {
            print_text(answer->text);
            return static_cast<int>(ExitCode::clean);
        }
        const Options& options = std::get<Options>(request);
        if (options.probe) return probe(options);
        if (!options.unload) return monitor(options);
        unload(options);
        return static_cast<int>(ExitCode::clean);
    });
}
