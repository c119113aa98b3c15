// SPDX-License-Identifier: BSD-2-Clause
// jsguard: main program. Its commands read a running detector, recordings and baseline files.
#include <fmt/format.h>

#include <csignal>
#include <sstream>

#include "cli/command.hpp"
#include "common/error.hpp"
#include "common/print.hpp"

namespace jsguard {
namespace {

// The subcommand on the command line, or the program.
const CLI::App& innermost_command(const CLI::App& app) {
    const CLI::App* at = &app;
    while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
    return *at;
}

// For example "jsguard baseline merge --help", for the subcommand on the command line.
std::string help_of(const CLI::App& app) {
    std::string command = app.get_name();
    for (const CLI::App* at = &app; !at->get_subcommands().empty();) {
        at = at->get_subcommands().front();
        command += " " + at->get_name();
    }
    return command + " --help";
}

// Sets run. For help or version, prints it and leaves run empty. Throws Error(usage).
void parse(int argc, char** argv, Run& run) {
    CLI::App app(
        "Shows what the detector of jsguard-load finds, records its windows, replays and analyzes\n"
        "recordings, and handles baselines.",
        "jsguard");
    app.get_formatter()->column_width(34);
    app.set_help_flag("-h,--help", "print this and exit");
    app.set_version_flag("-V,--version", "jsguard " JSGUARD_VERSION, "print the version and exit");
    app.require_subcommand(1);
    add_status(app, run);
    add_watch(app, run);
    add_export(app, run);
    add_record(app, run);
    add_baseline(app, run);
    add_analyze(app, run);
    add_replay(app, run);
    add_report(app, run);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& asked) {  // help or version
        std::ostringstream answer;
        app.exit(asked, answer, answer);
        print_while_read([&] { print_text(answer.str()); });
        run = nullptr;
    } catch (const CLI::ParseError& error) {
        // For an unknown command CLI11 reports only that a command is missing.
        const auto unknown = app.remaining(true);
        if (!unknown.empty())
            throw unknown_argument(innermost_command(app), unknown.front(), help_of(app));
        throw Error(ExitCode::usage,
                    fmt::format("{}: see {}", printable(error.what()), help_of(app)));
    }
}

}  // namespace
}  // namespace jsguard

int main(int argc, char** argv) {
    using namespace jsguard;
    std::signal(SIGPIPE, SIG_IGN);  // writing to a closed stdout then fails with an error
    return exit_code_of("jsguard", [&] {
        Run run;
        parse(argc, argv, run);
        return run ? run() : static_cast<int>(ExitCode::clean);
    });
}
