// SPDX-License-Identifier: BSD-2-Clause
// jsguard analyze: how far each sample is from normal, and which measure tells attacks best.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "analysis_text.hpp"
#include "command.hpp"
#include "error.hpp"
#include "measured_samples.hpp"
#include "progress_bar.hpp"
#include "report.hpp"

namespace jsguard {
namespace {

constexpr std::uint16_t any_port = 0;

struct AnalyzeOptions {
    std::vector<std::string> normal;
    std::vector<std::string> attacks;
    std::uint16_t port = any_port;
    bool json = false;
    bool nats = false;
    bool summary = false;
    std::string html;
};

void print(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
        throw errno_error(ExitCode::runtime, errno, "cannot write to stdout");
}

void print_all(const std::vector<Analysis>& analyses, const AnalyzeOptions& options) {
    if (options.json) {
        write_json(analyses, !options.summary, print);
    } else {
        for (const Analysis& analysis : analyses) {
            if (&analysis != analyses.data()) print("\n");
            write_text(analysis, !options.summary, print);
        }
    }
    if (std::fflush(stdout) != 0)
        throw errno_error(ExitCode::runtime, errno, "cannot write to stdout");
}

int run_analyze(const AnalyzeOptions& options) {
    if (!options.html.empty()) check_report_target(options.html);
    AnalysisRequest request;
    request.classes = sample_classes(options.normal, options.attacks);
    if (options.port != any_port) request.port = options.port;
    if (options.nats) request.unit = LogarithmUnit::nats;
    AnalysisResult result;
    {
        TerminalBar bar("reading");
        result = analyze(request,
                         [&](std::uint64_t done, std::uint64_t total) { bar.show(done, total); });
    }
    for (const std::string& note : result.notes) fmt::print(stderr, "{}\n", note);
    if (!options.html.empty()) write_analysis_page(options.html, result.analyses);
    print_all(result.analyses, options);
    return static_cast<int>(ExitCode::clean);
}

}  // namespace

void add_analyze(CLI::App& app, Run& run) {
    const auto options = std::make_shared<AnalyzeOptions>();
    CLI::App& command = *app.add_subcommand(
        "analyze",
        "Tells for each sample how far it is from the mean of the normal ones, by six measures, "
        "and how well each measure and threshold tells attacks from normal samples. A sample is a "
        "recorded window, or a probability file of an earlier tool (*.json).");
    command
        .add_option("--normal", options->normal,
                    "recordings of normal traffic; of a folder all *.jsonl and *.json; "
                    "FILE@60-120: of the windows that end 60 to 120 s after the first")
        ->type_name("FILE|DIR")
        ->required();
    command
        .add_option("--attack", options->attacks,
                    "recordings of the attack NAME, likewise; what follows without a name belongs "
                    "to the same")
        ->type_name("NAME=FILE|DIR");
    command.add_option("-L,--port", options->port, "the windows of this port alone")
        ->check(CLI::Range(1, 65535))
        ->type_name("PORT");
    command.add_flag("--json", options->json, "one JSON document on stdout, not text");
    command.add_flag("--nats", options->nats,
                     "divergences in nats, and a margin of 0.05 nats, not in bits");
    command.add_flag("--summary", options->summary, "no line for each sample");
    command.add_option("--html", options->html, "write tables and charts as a page, too")
        ->type_name("FILE");
    command.callback([options, &run] { run = [options] { return run_analyze(*options); }; });
}

}  // namespace jsguard
