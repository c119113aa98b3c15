// SPDX-License-Identifier: BSD-2-Clause
// jsguard report: writes a recording as an HTML page.
#include "offline/report/report.hpp"

#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "cli/command.hpp"
#include "common/error.hpp"
#include "common/option_adder.hpp"
#include "common/print.hpp"
#include "common/progress_bar.hpp"
#include "offline/recording/recording_file.hpp"
#include "offline/report/recording_analysis.hpp"

namespace jsguard {
namespace {

struct ReportOptions {
    std::string recording;
    std::string html;
    std::optional<std::uint32_t> window;  // sequence number
    std::optional<std::uint32_t> port;
};

int run_report(const ReportOptions& options) {
    const ReportRequest request{options.recording, options.window, options.port};
    // Check first, because reading a long recording takes minutes.
    check_report_target(options.html, {options.recording});
    TerminalBar bar("reading");
    const Report report = read_report(
        request, [&](std::uint64_t done, std::uint64_t total) { bar.show(done, total); });
    bar.hide();
    write_report_page(options.html, report);
    if (report.cut_short) log_line(cut_short_text(options.recording));
    return static_cast<int>(ExitCode::clean);
}

}  // namespace

void add_report(CLI::App& app, Run& run) {
    const auto options = std::make_shared<ReportOptions>();
    CLI::App& command =
        *app.add_subcommand("report", "draw a recording as one self-contained HTML page");
    command.footer(
        "For each port: divergences, alerts, sockets, entropy, transitions, occupancy, analysis.");
    command.add_option("FILE", options->recording, "a recording made by `jsguard record`")
        ->required();
    OptionAdder add(command);
    add.path("--html", "FILE", "the page to write", store_in(options->html))->required();
    add.whole(
        "", "--window", "SEQUENCE", std::numeric_limits<std::uint32_t>::max(),
        "sequence number of the window to show cell by cell (default: the window at the peak of "
        "each divergence)",
        store_in(options->window));
    add.whole("-L,--localport,", "--port", "PORT", max_port, "only this port",
              store_in(options->port));
    command.callback([options, &run] { run = [options] { return run_report(*options); }; });
}

}  // namespace jsguard
