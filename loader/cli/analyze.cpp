// SPDX-License-Identifier: BSD-2-Clause
// jsguard analyze: how far each sample is from the normal samples, and which measure separates
// best.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "common/error.hpp"
#include "common/option_adder.hpp"
#include "common/print.hpp"
#include "common/progress_bar.hpp"
#include "offline/analysis/analysis_text.hpp"
#include "offline/analysis/measured_samples.hpp"
#include "offline/report/report.hpp"

namespace jsguard {
namespace {

struct AnalyzeOptions {
    std::vector<std::string> normal;
    std::vector<std::string> attacks;
    std::optional<std::uint16_t> port;
    bool json = false;
    bool nats = false;
    bool summary = false;
    std::optional<std::string> html;
};

void print_all(const std::vector<Analysis>& analyses, const AnalyzeOptions& options) {
    if (options.json) {
        write_json(analyses, !options.summary, print_part);
    } else {
        for (const Analysis& analysis : analyses) {
            if (&analysis != analyses.data()) print_part("\n");
            write_text(analysis, !options.summary, print_part);
        }
    }
    flush_parts();
}

std::vector<std::filesystem::path> inputs_of(const std::vector<SampleClass>& classes) {
    std::vector<std::filesystem::path> inputs;
    for (const SampleClass& group : classes) {
        for (const SampleFile& file : group.files) inputs.push_back(file.path);
    }
    return inputs;
}

int run_analyze(const AnalyzeOptions& options) {
    AnalysisRequest request;
    request.classes = sample_classes(options.normal, options.attacks);
    if (options.html) check_report_target(*options.html, inputs_of(request.classes));
    request.port = options.port;
    if (options.nats) request.unit = LogarithmUnit::nats;
    AnalysisResult result;
    {
        TerminalBar bar("reading");
        result = analyze(request,
                         [&](std::uint64_t done, std::uint64_t total) { bar.show(done, total); });
    }
    for (const std::string& note : result.notes) log_line(note);
    if (options.html) write_analysis_page(*options.html, result.analyses);
    print_all(result.analyses, options);
    return static_cast<int>(ExitCode::clean);
}

}  // namespace

void add_analyze(CLI::App& app, Run& run) {
    const auto options = std::make_shared<AnalyzeOptions>();
    CLI::App& command = *app.add_subcommand("analyze",
                                            "print how far samples are from normal ones, and which "
                                            "measure and threshold separate best");
    command.footer(
        "A sample is a recorded window, or a probability file of an earlier tool (*.json). "
        "Samples\n"
        "are compared with the mean of the normal samples.");
    command
        .add_option(
            "--normal", options->normal,
            "recordings of normal traffic; a directory stands for all its *.jsonl, or if there "
            "are none, for all its *.json; FILE@60-120: only the windows that end 60 to 120 s "
            "after the first one")
        ->type_name("FILE|DIR")
        ->required();
    command
        .add_option(
            "--attack", options->attacks,
            "recordings of the attack NAME, in the same form; a FILE without NAME= belongs to "
            "the attack before it")
        ->type_name("NAME=FILE|DIR");
    OptionAdder add(command);
    add.whole("-L,--localport,", "--port", "PORT", max_port, "only the windows of this port",
              [options = options.get()](std::uint32_t port) {
                  options->port = static_cast<std::uint16_t>(port);
              });
    command.add_flag("--json", options->json, "print one JSON document, not text");
    command.add_flag("--nats", options->nats,
                     fmt::format("divergences, and the margin of {:g}, in nats and not in bits",
                                 threshold_margin));
    command.add_flag("--summary", options->summary, "print no line for each sample");
    add.path("--html", "FILE", "also write the tables and charts as an HTML page",
             store_in(options->html));
    command.callback([options, &run] { run = [options] { return run_analyze(*options); }; });
}

}  // namespace jsguard
