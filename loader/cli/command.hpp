// SPDX-License-Identifier: BSD-2-Clause
// The subcommands of jsguard. Each adds itself to the command line and sets the function to run.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "common/defaults.hpp"
#include "common/option_adder.hpp"

namespace jsguard {

// Runs the given subcommand. Throws Error, or returns the exit code.
using Run = std::function<int()>;

// Each function adds a subcommand to app. If that subcommand is given, it sets run while the
// command line is parsed (CLI::App::callback). So nothing runs before the whole command line is
// valid.
void add_status(CLI::App& app, Run& run);
void add_watch(CLI::App& app, Run& run);
void add_export(CLI::App& app, Run& run);
void add_record(CLI::App& app, Run& run);
void add_baseline(CLI::App& app, Run& run);
void add_analyze(CLI::App& app, Run& run);
void add_replay(CLI::App& app, Run& run);
void add_report(CLI::App& app, Run& run);

// Options that several subcommands have. The variable that an option sets must live until run ends.
template <class Port>
void add_port(CLI::App& command, Port& port, const char* help) {
    OptionAdder(command).whole(
        "-L,--localport,", "--port", "PORT", max_port, help,
        [&port](std::uint32_t number) { port = static_cast<std::uint16_t>(number); });
}
inline void add_pin_dir(CLI::App& command, std::string& pin_dir) {
    command.add_option("--pin-dir", pin_dir, "where the detector's maps are pinned")
        ->capture_default_str();
}
inline void add_duration(CLI::App& command, std::optional<std::uint32_t>& duration_s) {
    OptionAdder(command).whole("-d,", "--duration", "SECONDS", max_count,
                               "stop after this many seconds", store_in(duration_s));
}

}  // namespace jsguard
