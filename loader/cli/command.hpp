// SPDX-License-Identifier: BSD-2-Clause
// The subcommands of jsguard: each adds itself to the command line, and says what is to be run.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace jsguard {

// What the subcommand that was given does: throws Error, or returns the exit code.
using Run = std::function<int()>;

// Each adds a subcommand to app; if that one is given, it sets run while the line is parsed
// (CLI::App::callback), and nothing is done before the whole line is known to be sound.
void add_status(CLI::App& app, Run& run);
void add_watch(CLI::App& app, Run& run);
void add_export(CLI::App& app, Run& run);
void add_record(CLI::App& app, Run& run);
void add_baseline(CLI::App& app, Run& run);
void add_analyze(CLI::App& app, Run& run);
void add_replay(CLI::App& app, Run& run);
void add_report(CLI::App& app, Run& run);

}  // namespace jsguard
