// SPDX-License-Identifier: BSD-2-Clause
// Checks that `jsguard analyze` gives the same digits as the notebook of an earlier tool, from the
// probability files of that tool. The files are not part of this project. JSGUARD_SEED_DATA names a
// directory that has them in normal/ and attack/. Without it the test is skipped.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "offline/analysis/analysis_text.hpp"
#include "offline/analysis/measured_samples.hpp"

namespace {

constexpr int skipped = 77;

// In nats, in the order of the files' names.
const std::vector<std::string> normal_js = {"0.013348", "0.012670", "0.015712",
                                            "0.010563", "0.004781", "0.010668"};
const std::vector<std::string> attack_js = {"0.179678", "0.181870", "0.171797",
                                            "0.204996", "0.211804", "0.208847"};
constexpr std::string_view maximum_rule = "0.065712";
constexpr std::string_view deviation_rule = "0.021462";

int failures = 0;

void check(const std::string& what, const std::string& found, std::string_view expected) {
    if (found == expected) return;
    fmt::print(stderr, "{}: {}, not {}\n", what, found, expected);
    ++failures;
}

void check_samples(const jsguard::Analysis& analysis, std::size_t class_index,
                   const std::vector<std::string>& expected) {
    const jsguard::MeasuredClass& group = analysis.classes.at(class_index);
    check("number of " + group.name + " files", std::to_string(group.samples.size()),
          std::to_string(expected.size()));
    for (std::size_t i = 0; i < std::min(expected.size(), group.samples.size()); ++i)
        check("JS of " + jsguard::sample_name(analysis, group.samples[i]),
              jsguard::six_decimals(group.samples[i].values[std::size_t(jsguard::Measure::js)]),
              expected[i]);
}

void check_all(const std::filesystem::path& directory) {
    jsguard::AnalysisRequest request;
    request.classes = jsguard::sample_classes({directory / "normal"},
                                              {"slow=" + (directory / "attack").string()});
    request.unit = jsguard::LogarithmUnit::nats;
    const jsguard::AnalysisResult result = jsguard::analyze(request);
    const jsguard::Analysis& analysis = result.analyses.at(0);
    check_samples(analysis, 0, normal_js);
    check_samples(analysis, 1, attack_js);
    const jsguard::Thresholds& rules = analysis.thresholds[std::size_t(jsguard::Measure::js)];
    check("maximum + 0.05", jsguard::six_decimals(rules.maximum), maximum_rule);
    check("mean + 3 sigma", jsguard::six_decimals(rules.deviation), deviation_rule);
}

}  // namespace

int main() {
    const char* directory = std::getenv("JSGUARD_SEED_DATA");
    if (!directory || !*directory) {
        fmt::print(
            "SKIP: JSGUARD_SEED_DATA is not set to the directory with the earlier tool's files\n");
        return skipped;
    }
    try {
        check_all(directory);
    } catch (const std::exception& error) {
        fmt::print(stderr, "{}\n", error.what());
        return EXIT_FAILURE;
    }
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
