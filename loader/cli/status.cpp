// SPDX-License-Identifier: BSD-2-Clause
// jsguard status: prints the present state of a running detector.
#include <sys/ioctl.h>
#include <unistd.h>

#include <memory>

#include "cli/command.hpp"
#include "cli/status_figures.hpp"
#include "cli/status_json.hpp"
#include "cli/status_text.hpp"
#include "cli/styled_text.hpp"
#include "common/error.hpp"
#include "common/print.hpp"
#include "observe/following.hpp"
#include "observe/observer.hpp"

namespace jsguard {
namespace {

struct StatusOptions {
    std::string pin_dir = default_pin_dir;
    std::uint16_t port = 0;
    bool json = false;
};

// Without a terminal there is no width and no height, so programs that read the output get unbroken
// lines.
StatusStyle style_of(const StatusOptions& options) {
    StatusStyle style;
    style.port = options.port;
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        style.width = size.ws_col;
        style.height = size.ws_row;
    }
    style.colour = wants_colour(STDOUT_FILENO);
    return style;
}

int status(const StatusOptions& options) {
    const PinnedDetector detector(options.pin_dir);
    Observation seen = Observer(detector).observe();
    check_runs(seen, options.pin_dir);
    if (options.port) keep_port(seen, options.port);
    print_line(options.json ? status_json(seen) : status_text(seen, style_of(options)));
    return static_cast<int>(alerts_up(seen) ? ExitCode::alert : ExitCode::clean);
}

}  // namespace

void add_status(CLI::App& app, Run& run) {
    auto options = std::make_shared<StatusOptions>();
    CLI::App* command = app.add_subcommand(
        "status", "print the state of a running detector; exit code 10 if an alert is up");
    add_port(*command, options->port, "only this port");
    command->add_flag("--json", options->json, "print one JSON object (docs/watching.md)");
    add_pin_dir(*command, options->pin_dir);
    command->callback([options, &run] { run = [options] { return status(*options); }; });
}

}  // namespace jsguard
