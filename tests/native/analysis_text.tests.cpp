// SPDX-License-Identifier: BSD-2-Clause
// Tests of an analysis as tables and as JSON: what they contain, and what they leave out.
#include "offline/analysis/analysis_text.hpp"

#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/catch_compat.hpp"

using namespace jsguard;
using Catch::Matchers::Contains;

namespace {

constexpr std::uint32_t b = 1, c = 2;  // indices in Analysis::files

MeasuredSample sample(std::uint32_t file, std::uint64_t sequence, double value) {
    MeasuredSample made{file, 80, sequence, {}};
    made.values.fill(value);
    return made;
}

Analysis analysis_of(const std::vector<MeasuredClass>& attacks) {
    Analysis made;
    made.distribution = "transitions";
    made.files = {"a", "b", "c"};
    made.classes.push_back({"normal", {sample(0, 1, 0.1), sample(0, 2, 0.2)}, {}, {}, {}, {}});
    made.classes.insert(made.classes.end(), attacks.begin(), attacks.end());
    summarize(made);
    return made;
}

MeasuredClass slow() { return {"slow", {sample(b, 7, 0.5)}, {}, {}, {}, {}}; }
MeasuredClass flood() { return {"flood", {sample(c, 9, 0.05)}, {}, {}, {}, {}}; }

std::string text_of(const Analysis& analysis, bool with_samples = true) {
    std::string text;
    write_text(analysis, with_samples, [&](std::string_view part) { text += part; });
    return text;
}

nlohmann::json json_of(const std::vector<Analysis>& analyses, bool with_samples = true) {
    std::string text;
    write_json(analyses, with_samples, [&](std::string_view part) { text += part; });
    CHECK(text.back() == '\n');
    return nlohmann::json::parse(text);
}

/// A line that begins with this text, with its columns separated by one space. `which` is 0 for the
/// first such line.
std::string line_of(const std::string& text, const std::string& beginning, int which = 0) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string plain;
        for (std::string word; words >> word;) plain += (plain.empty() ? "" : " ") + word;
        if (plain.starts_with(beginning) && which-- == 0) return plain;
    }
    return "no such line";
}

}  // namespace

TEST_CASE("values have six decimals, infinite ones are inf", "[analysis-text]") {
    CHECK(six_decimals(0.0133484999) == "0.013348");
    CHECK(six_decimals(0) == "0.000000");
    CHECK(six_decimals(std::numeric_limits<double>::infinity()) == "inf");
}

TEST_CASE("each sample has a line, each class its mean and extremes", "[analysis-text]") {
    const std::string text = text_of(analysis_of({slow()}));
    CHECK(line_of(text, "normal a 80 2") ==
          "normal a 80 2 0.200000 0.200000 0.200000 0.200000 0.200000 0.200000");
    CHECK(line_of(text, "slow b") ==
          "slow b 80 7 0.500000 0.500000 0.500000 0.500000 0.500000 0.500000");
    CHECK(line_of(text, "normal 2") ==
          "normal 2 mean 0.150000 0.150000 0.150000 0.150000 0.150000 0.150000");
    CHECK_THAT(line_of(text, "minimum"), Contains("minimum 0.100000"));
    CHECK_THAT(line_of(text, "maximum"), Contains("maximum 0.200000"));
    const std::string summary = text_of(analysis_of({slow()}), false);
    CHECK(line_of(summary, "normal a") == "no such line");
    CHECK(line_of(summary, "normal 2") == line_of(text, "normal 2"));
}

TEST_CASE("each measure has its AUC, and each threshold its rates", "[analysis-text]") {
    const std::string text = text_of(analysis_of({slow(), flood()}));
    // All attacks, then each by itself; mean + 3 sigma is 0.15 + 3 * 0.05.
    CHECK(line_of(text, "JS", 0) ==
          "JS 0.500000 0.350000 50.00 % 0.00 % 0.250000 50.00 % 0.00 % 0.300000 50.00 % 0.00 %");
    CHECK_THAT(line_of(text, "JS", 1), Contains("JS 1.000000 0.350000 100.00 % 0.00 %"));
    CHECK_THAT(line_of(text, "JS", 2), Contains("JS 0.000000 0.200000 0.00 % 0.00 %"));
    CHECK_THAT(text, Contains("\nall attacks against normal\n") &&
                         Contains("\nslow against normal\n") &&
                         Contains("\nflood against normal\n"));
    CHECK_THAT(text_of(analysis_of({slow()})), !Contains("all attacks"));
}

TEST_CASE("without attacks there are only the two rules", "[analysis-text]") {
    const std::string text = text_of(analysis_of({}));
    CHECK(line_of(text, "JS") == "JS 0.250000 0.300000");
    CHECK_THAT(text, !Contains("against normal") && !Contains("detected"));
}

TEST_CASE("control characters in names of files and classes do not reach the terminal",
          "[analysis-text]") {
    MeasuredClass odd{"sl\now", {sample(b, 7, 0.5)}, {}, {}, {}, {}};
    Analysis analysis = analysis_of({odd});
    analysis.files[b] = "b\x1b[2J";
    const std::string text = text_of(analysis);
    CHECK_THAT(text, Contains("sl?ow   b?[2J 80 7") && !Contains("\x1b"));
    CHECK(json_of({analysis_of({odd})})["analyses"][0]["classes"][1]["name"] == "sl\now");
}

TEST_CASE("the JSON document has everything that the tables have", "[analysis-text]") {
    Analysis analysis = analysis_of({slow(), flood(), {"none", {}, {}, {}, {}, {}}});
    analysis.empty_samples = 3;
    const auto document = json_of({analysis, analysis});
    CHECK(document["schema"] == 1);
    CHECK(document["unit"] == "bits");
    REQUIRE(document["analyses"].size() == 2);
    const auto& one = document["analyses"][1];
    CHECK(one["distribution"] == "transitions");
    CHECK(one["empty_samples"] == 3);
    CHECK(one["thresholds"]["js"]["maximum"] == 0.25);
    CHECK(one["separation"]["js"]["auc"] == 0.5);
    CHECK(one["separation"]["hellinger"]["best"]["detection_rate"] == 0.5);
    REQUIRE(one["classes"].size() == 4);
    const auto& normal = one["classes"][0];
    CHECK(normal["samples"] == 2);
    CHECK(normal["maximum"]["kl"] == 0.2);
    CHECK(normal["values"][1]["sample"] == "a 80 2");
    CHECK(normal["values"][1]["total_variation"] == 0.2);
    CHECK(!normal.contains("separation"));
    CHECK(one["classes"][1]["separation"]["reverse_kl"]["auc"] == 1);
    CHECK(one["classes"][1]["separation"]["js"]["deviation"]["false_positive_rate"] == 0);
    CHECK(one["classes"][3]["samples"] == 0);
    CHECK(!one["classes"][3].contains("mean"));
    CHECK(one["classes"][3]["values"].empty());
    CHECK(!json_of({analysis}, false)["analyses"][0]["classes"][0].contains("values"));
}

TEST_CASE("an infinite value is null in JSON, and inf in a table", "[analysis-text]") {
    MeasuredClass attack = slow();
    attack.samples[0].values[static_cast<std::size_t>(Measure::kl)] =
        std::numeric_limits<double>::infinity();
    const Analysis analysis = analysis_of({attack});
    CHECK(json_of({analysis})["analyses"][0]["classes"][1]["values"][0]["kl"].is_null());
    CHECK_THAT(line_of(text_of(analysis), "slow b"), Contains("0.500000 inf 0.500000"));
}
