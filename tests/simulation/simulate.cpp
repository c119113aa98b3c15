// SPDX-License-Identifier: BSD-2-Clause
// jsguard-simulate: simulates days of services, and prints how often the detector alerts and which
// attacks it finds. docs/simulation.md describes it.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <csignal>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "common/defaults.hpp"
#include "common/error.hpp"
#include "common/option_adder.hpp"
#include "common/print.hpp"
#include "load/options.hpp"
#include "tests/simulation/trial.hpp"

namespace {

using jsguard::Error;
using jsguard::ExitCode;
using namespace simulation;

constexpr std::uint32_t max_days = 40;  // the detector's clock in ms has 32 bits, about 49 days
constexpr std::uint32_t max_seeds = 1000, max_jobs = 256;

struct Options {
    std::vector<NamedMix> mixes = all_mixes();
    std::uint32_t seeds = 1;
    std::uint32_t first_seed = 1;
    std::uint32_t days = 8;
    std::uint32_t jobs = std::clamp(std::thread::hardware_concurrency(), 1U, max_jobs);
    std::optional<Curve> arrivals;  // none: the simulator's own
    std::string arrivals_file;
};

std::string mix_names() {
    std::string names;
    for (const NamedMix& mix : all_mixes())
        names += (names.empty() ? "" : ",") + std::string(mix.name);
    return names;
}

std::vector<NamedMix> parse_mixes(const std::string& text) {
    std::vector<NamedMix> mixes;
    for (std::size_t start = 0; start <= text.size();) {
        const std::size_t end = std::min(text.find(',', start), text.size());
        const auto named = [&](const NamedMix& mix) {
            return mix.name == std::string_view(text).substr(start, end - start);
        };
        const auto known = std::find_if(all_mixes().begin(), all_mixes().end(), named);
        if (known == all_mixes().end())
            jsguard::refuse_value(
                "--mixes", text,
                fmt::format("give names with one comma between, from {}", mix_names()));
        if (std::none_of(mixes.begin(), mixes.end(), named)) mixes.push_back(*known);
        start = end + 1;
    }
    return mixes;
}

// None if only the help was asked for, which it prints.
std::optional<Options> parse(int argc, char** argv) {
    Options options;
    CLI::App app(
        "Simulates days of services in fast time. The detector's own code samples and judges "
        "them.\n"
        "Prints, by the hour in which a detector was started, its false alerts a day and the\n"
        "attacks that it finds.",
        "jsguard-simulate");
    app.get_formatter()->column_width(34);
    app.set_help_flag("-h,--help", "print this and exit");
    jsguard::OptionAdder add(app);
    app.add_option_function<std::string>(
           "--mixes", [&](const std::string& text) { options.mixes = parse_mixes(text); },
           "simulate these services (default: all)")
        ->type_name(mix_names());
    add.whole("", "--seeds", "N", max_seeds, "number of trials of each service (default 1)",
              jsguard::store_in(options.seeds));
    add.whole("", "--first-seed", "N", 1'000'000, "seed of the first trial (default 1)",
              jsguard::store_in(options.first_seed));
    add.whole("", "--days", "N", max_days,
              "days of a trial, at least 3: one for the starts, one with attacks (default 8)",
              jsguard::store_in(options.days));
    add.whole("", "--jobs", "N", max_jobs,
              "number of trials at the same time (default: the processors)",
              jsguard::store_in(options.jobs));
    add.path("--arrivals", "FILE", "arrivals of the shop and of the media service from this file",
             jsguard::store_in(options.arrivals_file));
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success&) {
        jsguard::print_text(app.help());
        return {};
    } catch (const CLI::ParseError& error) {
        const auto unknown = app.remaining();
        if (!unknown.empty())
            throw jsguard::unknown_argument(app, unknown.front(), "jsguard-simulate --help");
        throw Error(ExitCode::usage, fmt::format("{}: see jsguard-simulate --help",
                                                 jsguard::printable(error.what())));
    }
    if (options.days < 3)
        jsguard::refuse_value("--days", std::to_string(options.days),
                              fmt::format("give a whole number from 3 to {}", max_days));
    if (!options.arrivals_file.empty()) options.arrivals = read_curve(options.arrivals_file);
    return options;
}

// Trials -----------------------------------------------------------------------------------------

struct Numbered {
    std::uint32_t trial;
    TrialResult result;
};
static_assert(std::is_trivially_copyable_v<Numbered> && sizeof(Numbered) <= PIPE_BUF,
              "a result crosses the pipe in one piece");

TrialResult make_trial(const Options& options, std::uint32_t trial) {
    const NamedMix& mix = options.mixes[trial / options.seeds];
    const std::uint64_t seed = options.first_seed + trial % options.seeds;
    const Curve curve = options.arrivals ? *options.arrivals : made_curve(seed, options.days);
    return run_trial(mix.make(curve), jsguard::make_config(jsguard::Options{}), seed, options.days);
}

// A process of its own makes every jobs-th trial, because the kernel's code has its state in
// globals.
pid_t start_job(const Options& options, std::uint32_t first, std::uint32_t jobs,
                std::uint32_t trials, int pipe_end) {
    const pid_t child = fork();
    if (child < 0) throw jsguard::errno_error(ExitCode::runtime, errno, "cannot start a process");
    if (child > 0) return child;
    int code = 0;
    for (std::uint32_t trial = first; trial < trials && code == 0; trial += jobs) {
        code = jsguard::exit_code_of("jsguard-simulate", [&] {
            const Numbered numbered{trial, make_trial(options, trial)};
            if (write(pipe_end, &numbered, sizeof(numbered)) != ssize_t{sizeof(numbered)})
                throw jsguard::errno_error(ExitCode::runtime, errno, "cannot hand over a result");
            return 0;
        });
    }
    _exit(code);
}

std::vector<TrialResult> make_trials(const Options& options) {
    const auto trials = static_cast<std::uint32_t>(options.mixes.size()) * options.seeds;
    const std::uint32_t jobs = std::min(options.jobs, trials);
    int ends[2];
    if (pipe(ends) != 0) throw jsguard::errno_error(ExitCode::runtime, errno, "cannot make a pipe");
    std::vector<pid_t> children;
    for (std::uint32_t job = 0; job < jobs; ++job)
        children.push_back(start_job(options, job, jobs, trials, ends[1]));
    close(ends[1]);
    std::vector<TrialResult> results(trials);
    std::uint32_t received = 0;
    for (Numbered numbered; read(ends[0], &numbered, sizeof(numbered)) == sizeof(numbered);) {
        results.at(numbered.trial) = numbered.result;
        ++received;
    }
    close(ends[0]);
    bool has_failed = received != trials;
    for (const pid_t child : children) {
        int status = 0;
        has_failed |= waitpid(child, &status, 0) != child || status != 0;
    }
    if (has_failed) throw Error(ExitCode::runtime, "a trial failed: see the message above");
    return results;
}

// Table ------------------------------------------------------------------------------------------

std::string found_text(const Found& found) {
    return fmt::format("{} of {} | {} | {}", found.found, found.attacks, found.already_up,
                       found.found ? fmt::format("{:.0f} s", found.delay_s / found.found) : "-");
}

void add_row(std::string& table, const std::string& name, const StartResult& result) {
    const double days = result.quiet_days;
    table += fmt::format("| {} | {:.2f} | {:.1f} |", name, result.alerts / days,
                         result.alert_s / 60.0 / days);
    for (const Found& found : result.found) table += fmt::format(" {} |", found_text(found));
    table += '\n';
}

std::string table_of(const NamedMix& mix, const std::vector<TrialResult>& trials,
                     const Options& options) {
    std::string table = fmt::format("| {}, started at | alerts a day | minutes a day |", mix.name);
    std::string rule = "|---|---|---|";
    for (const AttackSize& size : attack_sizes) {
        table += fmt::format(" {} stalled: found | already up | delay |", size.connections);
        rule += "---|---|---|";
    }
    table += '\n' + rule + '\n';
    StartResult all;
    for (std::uint32_t start = 0; start < starts; ++start) {
        StartResult sum;
        for (const TrialResult& trial : trials) sum += trial.by_start[start];
        const std::uint32_t minute = (start * (day_s / starts) + warm_up_s) / 60;
        add_row(table, fmt::format("{:02}:{:02}", minute / 60, minute % 60), sum);
        all += sum;
    }
    add_row(table, "all", all);
    std::uint64_t connections = 0, untracked = 0;
    for (const TrialResult& trial : trials) {
        connections += trial.connections;
        untracked += trial.untracked;
    }
    table += fmt::format(
        "\n{}: {} of {} days, {:.1f} million connections a trial, {} never sampled.\n", mix.name,
        options.seeds == 1 ? "1 trial" : fmt::format("{} trials", options.seeds), options.days,
        static_cast<double>(connections) / 1e6 / options.seeds, untracked);
    return table;
}

void run(const Options& options) {
    const auto began = std::chrono::steady_clock::now();
    const std::vector<TrialResult> results = make_trials(options);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::string text;
    for (std::size_t i = 0; i < options.mixes.size(); ++i) {
        const auto first = results.begin() + static_cast<std::ptrdiff_t>(i * options.seeds);
        text += table_of(options.mixes[i], {first, first + options.seeds}, options) +
                (i + 1 < options.mixes.size() ? "\n" : "");
    }
    jsguard::print_text(text);
    const double days = static_cast<double>(results.size()) * options.days;
    fmt::print(stderr,
               "{:.0f} service-days in {:.1f} s: {:.2f} a second, each judged by {} detectors\n",
               days, took.count(), days / took.count(), starts);
}

}  // namespace

int main(int argc, char** argv) {
    std::signal(SIGPIPE, SIG_IGN);
    return jsguard::exit_code_of("jsguard-simulate", [&] {
        if (const auto options = parse(argc, argv)) run(*options);
        return static_cast<int>(ExitCode::clean);
    });
}
