// SPDX-License-Identifier: BSD-2-Clause
// jsguard baseline: learn, show, diff, merge, relearn.
#include <cmath>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "common/defaults.hpp"
#include "common/error.hpp"
#include "common/file_replacement.hpp"
#include "common/print.hpp"
#include "observe/learn_running.hpp"
#include "offline/baseline/difference.hpp"
#include "offline/baseline/learn_recorded.hpp"
#include "offline/baseline/merge.hpp"
#include "offline/baseline/show.hpp"

namespace jsguard {
namespace {

namespace fs = std::filesystem;

struct BaselineOptions {
    fs::path out;
    std::vector<fs::path> in;
    std::vector<fs::path> recordings;
    std::optional<std::uint16_t> port;
    std::string pin_dir = default_pin_dir;
    double exit_over_bits = 1;  // no divergence is larger than 1 bit
    bool running = false;
    bool json = false;
};
using Shared = std::shared_ptr<BaselineOptions>;

constexpr int exit_code_above = 1;

int learn(const BaselineOptions& options) {
    if (options.recordings.empty()) {
        learn_running(options.pin_dir, options.port, options.out);
    } else {
        refuse_if_same(options.out, options.recordings, "baseline file");
        check_baseline_target(options.out);
        const BaselineFile learned = learned_from(options.recordings, options.port);
        write_baselines(options.out, learned.baselines, learned.origin);
    }
    return static_cast<int>(ExitCode::clean);
}

int show(const BaselineOptions& options) {
    if (options.running == !options.in.empty())
        throw Error(ExitCode::usage, "jsguard baseline show takes either a FILE or --running");
    const std::string name = options.running ? "the detector" : options.in[0].string();
    const BaselineFile file = only_port(
        options.running ? baselines_in_force(options.pin_dir) : read_baseline_file(options.in[0]),
        options.port, name);
    print_text(options.json ? baselines_measures_json(file) : baselines_text(file));
    return static_cast<int>(ExitCode::clean);
}

int diff(const BaselineOptions& options) {
    const FileDifference difference =
        difference_of(read_baselines(options.in[0]), read_baselines(options.in[1]));
    print_text(difference_text(difference, options.in[0].string(), options.in[1].string()));
    const bool above =
        largest_nanobits(difference) > std::llround(options.exit_over_bits * JSG_NANO);
    return above ? exit_code_above : static_cast<int>(ExitCode::clean);
}

int merge(const BaselineOptions& options) {
    check_baseline_target(options.out);
    std::vector<BaselineFile> files;
    for (const fs::path& path : options.in) files.push_back(read_baseline_file(path));
    const BaselineFile all = merged(files);
    write_baselines(options.out, all.baselines, all.origin);
    return static_cast<int>(ExitCode::clean);
}

int relearn(const BaselineOptions& options) {
    ask_to_relearn(options.pin_dir);
    return static_cast<int>(ExitCode::clean);
}

// Adds a subcommand of "baseline" that has its own options.
CLI::App* add(CLI::App& baseline, Run& run, const char* name, const char* help, Shared& options,
              int (*function)(const BaselineOptions&)) {
    options = std::make_shared<BaselineOptions>();
    CLI::App* command = baseline.add_subcommand(name, help);
    command->callback(
        [options, function, &run] { run = [options, function] { return function(*options); }; });
    return command;
}

// Replaces CLI::Range, which accepts text that is not a number.
std::string check_bits(const std::string& text) {
    double bits = -1;
    const bool is_valid = CLI::detail::lexical_cast(text, bits) && bits >= 0 && bits <= 1;
    return is_valid ? "" : "give a number of bits from 0 to 1";
}

}  // namespace

void add_baseline(CLI::App& app, Run& run) {
    CLI::App* baseline =
        app.add_subcommand("baseline", "learn, show, compare and merge baseline files");
    baseline->require_subcommand(1);
    Shared options;

    CLI::App* command = add(*baseline, run, "learn", "write a new baseline file", options, learn);
    command->add_option("OUT", options->out, "the file to write")->required();
    command->add_option("--from", options->recordings,
                        "learn from these recordings, not from the running detector");
    add_port(
        *command, options->port,
        "only this port; without --from every service relearns, but only this port is waited for "
        "and written");
    add_pin_dir(*command, options->pin_dir);
    command->get_option("--from")->excludes("--pin-dir");

    command = add(*baseline, run, "show", "print a baseline file", options, show);
    command->add_option("FILE", options->in, "a baseline file")->expected(1);
    command->add_flag("--running", options->running,
                      "the baselines in force in the running detector");
    command->add_flag("--json", options->json, "print a JSON object");
    add_port(*command, options->port, "show only this port");
    add_pin_dir(*command, options->pin_dir);

    command =
        add(*baseline, run, "diff", "print the divergence of two baseline files", options, diff);
    command->add_option("FILES", options->in, "the baseline files A and B")
        ->required()
        ->expected(2);
    command
        ->add_option("--exit-over", options->exit_over_bits,
                     "exit code 1 if a divergence of any port is larger than this, in bits")
        ->check(check_bits);

    command = add(*baseline, run, "merge", "add up the counts of baseline files", options, merge);
    command->add_option("OUT", options->out, "the file to write; may be one of IN")->required();
    command->add_option("IN", options->in, "baseline files")->required()->expected(-1);

    command =
        add(*baseline, run, "relearn", "ask the running detector to relearn", options, relearn);
    add_pin_dir(*command, options->pin_dir);
}

}  // namespace jsguard
