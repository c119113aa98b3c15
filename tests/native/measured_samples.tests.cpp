// SPDX-License-Identifier: BSD-2-Clause
// Tests of analyses of recordings: the mean, the samples, parts, ports and empty windows. The
// expected values are known by hand.
#include "offline/analysis/measured_samples.hpp"

#include <unistd.h>

#include <cmath>
#include <fstream>
#include <map>

#include "common/error.hpp"
#include "offline/recording/recording_file.hpp"
#include "recorded_story.hpp"
#include "tests/catch_compat.hpp"

using namespace jsguard;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

constexpr auto js = static_cast<std::size_t>(Measure::js);
constexpr auto tv = static_cast<std::size_t>(Measure::total_variation);

/// A recording of windows that are a second apart. The destructor removes it.
class Recording {
  public:
    explicit Recording(const std::string& name)
        : path_(fs::temp_directory_path() / (std::to_string(getpid()) + name)) {
        fs::remove(path_);
        write(recording_line(story_header({})));
    }
    ~Recording() { fs::remove(path_); }

    /// first, second: transitions of the cells 1->8 and 8->9. moving, waiting: sockets.
    void window(std::uint32_t port, std::uint32_t first, std::uint32_t second,
                std::uint32_t moving = 0, std::uint32_t waiting = 0) {
        if (!sequences_.contains(port)) service(port);
        RecordedWindow window;
        window.record.port = port;
        window.record.sequence = ++sequences_[port];
        window.record.end_ns = first_ns + written_ * JSG_NANO;
        window.record.end_unix_ms = Story::begin_ms + written_ * 1000;
        window.record.mode = JSG_LEARNING;
        ++written_;
        window.record.transitions = first + second;
        window.transitions[jsg_transition_cell(1, 8)] = first;
        window.transitions[jsg_transition_cell(8, 9)] = second;
        window.occupancy[0] = moving;
        window.occupancy[JSG_WAITING * JSG_AGES] = waiting;
        write(recording_line(RecordingEntry(window)));
    }
    void cut() { std::ofstream(path_, std::ios::app) << "{\"window\":{\"po"; }
    const fs::path& path() const { return path_; }

  private:
    static constexpr std::uint64_t first_ns = 500 * std::uint64_t{JSG_NANO};

    void write(const std::string& line) { std::ofstream(path_, std::ios::app) << line << '\n'; }
    void service(std::uint32_t port) {
        RecordedService entry;
        entry.service.port = port;
        entry.service.mode = JSG_LEARNING;
        sequences_[port] = 0;
        write(recording_line(RecordingEntry(entry)));
    }

    fs::path path_;
    std::uint64_t written_ = 0;
    std::map<std::uint32_t, std::uint64_t> sequences_;
};

AnalysisRequest request(const std::vector<std::string>& normal,
                        const std::vector<std::string>& attacks = {}) {
    AnalysisRequest made;
    made.classes = sample_classes(normal, attacks);
    return made;
}

std::string wrong_input(const AnalysisRequest& asked) {
    try {
        analyze(asked);
    } catch (const Error& error) {
        CHECK(error.code() == ExitCode::usage);
        return error.what();
    }
    return "analyzed";
}

}  // namespace

TEST_CASE("each window is measured from the mean of the normal windows' distributions",
          "[measured-samples]") {
    Recording normal("-normal.jsonl"), attack("-attack.jsonl");
    normal.window(80, 10, 0, 5);
    normal.window(80, 1, 1, 5);  // weighs as much as the first, because the mean is of shares
    attack.window(80, 0, 7, 5);
    const AnalysisResult result =
        analyze(request({normal.path()}, {"slow=" + attack.path().string()}));
    CHECK(result.notes.empty());
    REQUIRE(result.analyses.size() == 2);
    const Analysis& transitions = result.analyses[0];
    CHECK(transitions.distribution == "transitions");
    CHECK(transitions.empty_samples == 0);
    REQUIRE(transitions.classes.size() == 2);
    REQUIRE(transitions.classes[0].samples.size() == 2);
    REQUIRE(transitions.classes[1].samples.size() == 1);
    // The mean is (3/4, 1/4).
    CHECK(transitions.classes[0].samples[0].values[tv] == 0.25);
    CHECK(transitions.classes[0].samples[1].values[tv] == 0.25);
    CHECK(transitions.classes[1].samples[0].values[tv] == 0.75);
    const std::string file = normal.path().filename().string();
    CHECK(sample_name(transitions, transitions.classes[0].samples[1]) == file + " 80 2");
    REQUIRE(transitions.separation);
    CHECK((*transitions.separation)[tv].auc == 1);
    CHECK(result.analyses[1].distribution == "occupancy");
    CHECK(result.analyses[1].classes[1].samples[0].values[js] == 0);
}

TEST_CASE("empty windows are counted and left out, waiting sockets alone are empty too",
          "[measured-samples]") {
    Recording normal("-normal.jsonl");
    normal.window(80, 1, 1, 5);
    normal.window(80, 0, 0, 5);
    normal.window(80, 1, 1, 0, 9);
    normal.window(80, 0, 0, 5, 9);
    const AnalysisResult result = analyze(request({normal.path()}));
    REQUIRE(result.analyses.size() == 2);
    CHECK(result.analyses[0].empty_samples == 2);
    CHECK(result.analyses[0].classes[0].samples.size() == 2);
    CHECK(result.analyses[1].empty_samples == 1);
    REQUIRE(result.analyses[1].classes[0].samples.size() == 3);
    CHECK(result.analyses[1].classes[0].samples[2].values[tv] == 0);
}

TEST_CASE("a distribution that no normal window has is not analyzed, and a note states this",
          "[measured-samples]") {
    Recording normal("-normal.jsonl");
    normal.window(80, 1, 1);
    const AnalysisResult result = analyze(request({normal.path()}));
    REQUIRE(result.analyses.size() == 1);
    CHECK(result.analyses[0].distribution == "transitions");
    REQUIRE(result.notes.size() == 1);
    CHECK_THAT(result.notes[0], Contains("no normal window has any occupancy"));
}

TEST_CASE("a part of a recording has the windows that end in it", "[measured-samples]") {
    Recording mixed("-mixed.jsonl");
    for (std::uint32_t i = 0; i < 6; ++i) mixed.window(80, i < 3, i >= 3);
    const std::string path = mixed.path().string();
    const auto result = analyze(request({path + "@-2"}, {"slow=" + path + "@3-4"}));
    const Analysis& transitions = result.analyses.at(0);
    CHECK(transitions.classes[0].samples.size() == 3);
    REQUIRE(transitions.classes[1].samples.size() == 2);
    const std::string file = mixed.path().filename().string();
    CHECK(sample_name(transitions, transitions.classes[1].samples[0]) == file + " 80 4");
    CHECK(transitions.classes[1].samples[0].values[js] == 1);
    CHECK_THAT(wrong_input(request({path}, {"slow=" + path + "@6-"})),
               Contains("no recorded window is left for the class slow"));
}

TEST_CASE("the windows of one port are analyzed, or of all ports with a note",
          "[measured-samples]") {
    Recording normal("-normal.jsonl");
    normal.window(80, 1, 0);
    normal.window(8080, 0, 1);
    AnalysisRequest asked = request({normal.path()});
    const AnalysisResult both = analyze(asked);
    CHECK(both.analyses.at(0).classes[0].samples.size() == 2);
    CHECK_THAT(both.notes.back(), Contains("of several ports, 80, 8080"));
    asked.port = 8080;
    const AnalysisResult one = analyze(asked);
    REQUIRE(one.analyses.at(0).classes[0].samples.size() == 1);
    CHECK(one.analyses[0].classes[0].samples[0].values[js] == 0);
    CHECK(one.notes.size() == 1);  // no occupancy
    asked.port = 81;
    CHECK_THAT(wrong_input(asked), Contains("for the class normal of port 81"));
}

TEST_CASE("in nats the divergences are smaller, and the margin remains 0.05",
          "[measured-samples]") {
    Recording normal("-normal.jsonl");
    normal.window(80, 1, 0);
    normal.window(80, 0, 1);
    AnalysisRequest asked = request({normal.path()});
    const double bits = analyze(asked).analyses.at(0).classes[0].samples[0].values[js];
    asked.unit = LogarithmUnit::nats;
    const Analysis nats = analyze(asked).analyses.at(0);
    CHECK(nats.unit == LogarithmUnit::nats);
    CHECK(nats.classes[0].samples[0].values[js] == Approx(bits * std::log(2.0)));
    CHECK(nats.thresholds[js].maximum == Approx(bits * std::log(2.0) + 0.05));
}

TEST_CASE("a recording that was cut short is analyzed, and a note states this",
          "[measured-samples]") {
    Recording normal("-normal.jsonl");
    normal.window(80, 1, 1, 1);
    normal.cut();
    const AnalysisResult result = analyze(request({normal.path()}));
    CHECK(result.analyses.size() == 2);
    REQUIRE(result.notes.size() == 1);
    CHECK_THAT(result.notes[0], Contains("its last line was cut short"));
}

TEST_CASE("windows that are written after the mean is known are no samples", "[measured-samples]") {
    Recording normal("-normal.jsonl");
    normal.window(80, 1, 0, 5);
    normal.window(80, 1, 0, 5);
    int calls = 0;
    const AnalysisResult result =
        analyze(request({normal.path()}), [&](std::uint64_t, std::uint64_t) {
            // A service and two windows are read twice. The fourth entry is the first one of the
            // second pass.
            if (++calls == 4) {
                normal.window(80, 0, 1, 5);
                normal.window(8080, 0, 1, 5);
            }
        });
    CHECK(calls == 6);
    REQUIRE(result.analyses.size() == 2);
    CHECK(result.analyses[0].classes[0].samples.size() == 2);
    CHECK(result.analyses[0].classes[0].maximum[tv] == 0);
}

TEST_CASE("a recording that is emptied while it is read is wrong input", "[measured-samples]") {
    Recording normal("-normal.jsonl");
    normal.window(80, 1, 1);
    normal.window(80, 0, 0);
    const auto asked = request({normal.path()});
    int calls = 0;
    // The second pass then reads the service and the empty window of the other recording.
    const auto replace = [&](std::uint64_t, std::uint64_t) {
        if (++calls != 3) return;
        Recording other("-other.jsonl");
        other.window(80, 0, 0);
        fs::copy_file(other.path(), normal.path(), fs::copy_options::overwrite_existing);
    };
    CHECK_THROWS_WITH(analyze(asked, replace), Contains("was replaced while it was read"));
}

TEST_CASE("files of one name in two directories are distinguished", "[measured-samples]") {
    Recording one("-one.jsonl"), other("-other.jsonl");
    const fs::path directory =
        fs::temp_directory_path() / (std::to_string(getpid()) + "-directory");
    fs::create_directory(directory);
    const fs::path same = directory / one.path().filename();
    one.window(80, 1, 1);
    other.window(80, 1, 1);
    fs::copy_file(one.path(), same);
    const Analysis analysis =
        analyze(request({one.path(), other.path()}, {"slow=" + same.string()})).analyses.at(0);
    CHECK(analysis.files == std::vector<std::string>{one.path(), other.path().filename(), same});
    CHECK(sample_name(analysis, analysis.classes[1].samples.at(0)) == same.string() + " 80 1");
    fs::remove_all(directory);
}

TEST_CASE("recordings in which nothing happens do not show what is normal", "[measured-samples]") {
    Recording normal("-normal.jsonl");
    normal.window(80, 0, 0);
    CHECK_THAT(wrong_input(request({normal.path()})),
               Contains("cannot compute the mean of the normal windows: all are empty"));
}

TEST_CASE("reading reports its progress, up to its end", "[measured-samples]") {
    Recording normal("-normal.jsonl");
    for (int i = 0; i < 5; ++i) normal.window(80, 1, 1);
    std::uint64_t last = 0, all = 0;
    bool grows = true;
    analyze(request({normal.path()}, {"slow=" + normal.path().string()}),
            [&](std::uint64_t done, std::uint64_t total) {
                grows = grows && done >= last;
                last = done;
                all = total;
            });
    CHECK(grows);
    CHECK(all == 3 * fs::file_size(normal.path()));
    CHECK(last == all);
}

TEST_CASE("probability files have no port", "[measured-samples]") {
    const fs::path path = fs::temp_directory_path() / (std::to_string(getpid()) + "-old.json");
    std::ofstream(path) << R"({"probabilities": {"1-8": 1}})";
    AnalysisRequest asked = request({path});
    const AnalysisResult result = analyze(asked);
    REQUIRE(result.analyses.size() == 1);
    const Analysis& analysis = result.analyses[0];
    CHECK(sample_name(analysis, analysis.classes[0].samples.at(0)) == path.filename().string());
    asked.port = 80;
    CHECK_THAT(wrong_input(asked), Contains("it has no port; leave --port out"));
    fs::remove(path);
}
