// SPDX-License-Identifier: BSD-2-Clause
// jsguard report: a recording as a page to look at.
#include "report.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "command.hpp"
#include "error.hpp"
#include "file_replacement.hpp"
#include "progress_bar.hpp"
#include "recording_analysis.hpp"

namespace jsguard {
namespace {

struct ReportOptions {
    std::string recording;
    std::string html;
    std::uint64_t window = 0;  // sequences begin at 1
    std::uint32_t port = 0;
};

int run_report(const ReportOptions& options) {
    ReportRequest request{options.recording, {}, {}};
    if (options.window > 0) request.window = options.window;
    if (options.port > 0) request.port = options.port;
    // Before minutes are spent on reading.
    check_report_target(options.html);
    TerminalBar bar("reading");
    const Report report = read_report(
        request, [&](std::uint64_t done, std::uint64_t total) { bar.show(done, total); });
    bar.hide();
    write_report_page(options.html, report);
    if (report.cut_short)
        fmt::print(stderr, "{}: its last line was cut short, and is left out\n",
                   printable(options.recording));
    return static_cast<int>(ExitCode::clean);
}

}  // namespace

void add_report(CLI::App& app, Run& run) {
    const auto options = std::make_shared<ReportOptions>();
    CLI::App& command = *app.add_subcommand(
        "report",
        "Shows a recording as one self-contained HTML page: each port's divergences, "
        "alerts, transitions, occupancy, sockets, entropy and analysis.");
    command.add_option("recording", options->recording, "what `jsguard record` wrote")
        ->type_name("FILE")
        ->required();
    command.add_option("--html", options->html, "where the page is written")
        ->type_name("FILE")
        ->required();
    command
        .add_option("--window", options->window,
                    "sequence of the window that is shown cell by cell (default: the one at the "
                    "peak of each divergence)")
        ->check(CLI::PositiveNumber)
        ->type_name("SEQUENCE");
    command.add_option("-L,--port", options->port, "this port alone")
        ->check(CLI::Range(1, JSG_PORTS - 1))
        ->type_name("PORT");
    command.callback([options, &run] { run = [options] { return run_report(*options); }; });
}

}  // namespace jsguard
