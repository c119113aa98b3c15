// SPDX-License-Identifier: BSD-2-Clause
// Tests of reports: the contents of a recording's page, and that no recording can break the page.
#include "offline/report/report.hpp"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "common/error.hpp"
#include "markup.hpp"
#include "offline/recording/recording_file.hpp"
#include "offline/report/recording_analysis.hpp"
#include "recorded_samples.hpp"
#include "recorded_story.hpp"
#include "tests/catch_compat.hpp"

using namespace jsguard;
using Catch::Matchers::Contains;
namespace fs = std::filesystem;

namespace {

Report reported(const Story& story, std::optional<std::uint64_t> window = {}) {
    Report report(story_header(story), window);
    for_each_entry(story, [&](const RecordingEntry& entry) { report.take(entry); });
    report.finish();
    return report;
}

const PortHistory& history_of(const Report& report) { return report.ports.begin()->second.history; }

double js_of(const ShownWindow& shown, jsg_signal signal) {
    return shown.window.record.signal[signal].js_nanobits / double{JSG_NANO};
}

Analysis example_analysis() {
    Analysis analysis;
    analysis.distribution = "occupancy";
    analysis.classes = {{"normal", {}, {}, {}, {}, {}}, {"<slow>", {}, {}, {}, {}, {}}};
    for (int i = 0; i < 50; i++) {
        analysis.classes[0].samples.push_back({0, 0, 0, {0.001 * i, 0.1, 0.1, 0.1, 0.1, 0.1}});
        analysis.classes[1].samples.push_back({0, 0, 0, {0.5 + 0.001 * i, 1, 1, 1, 1, 1}});
    }
    analysis.empty_samples = 3;
    summarize(analysis);
    return analysis;
}

/// A recording. The destructor removes it.
class Recording {
  public:
    Recording() : path_(fs::temp_directory_path() / (std::to_string(getpid()) + "-report.jsonl")) {
        fs::remove(path_);
        write(recording_line(story_header({})));
    }
    ~Recording() { fs::remove(path_); }

    void write(const RecordingEntry& entry) { write(recording_line(entry)); }
    // The next window has the number sequence + 1.
    void service(std::uint32_t port, std::uint64_t sequence = 0) {
        RecordedService entry;
        entry.service.port = port;
        entry.service.sequence = sequence;
        entry.service.mode = JSG_LEARNING;
        write(entry);
    }
    void windows(std::uint32_t port, std::uint64_t first, std::uint64_t last) {
        Story story;
        story.port = port;
        for (std::uint64_t sequence = first; sequence <= last; sequence++)
            write(story_window(story, sequence));
    }
    const fs::path& path() const { return path_; }

  private:
    void write(const std::string& line) { std::ofstream(path_, std::ios::app) << line << '\n'; }

    fs::path path_;
};

constexpr std::uint64_t monitoring = Story::learning + 1;  // the first such window

}  // namespace

TEST_CASE("a report has every section, and is sound", "[report]") {
    Report report = reported({});
    report.ports.begin()->second.analyses.push_back(example_analysis());
    const std::string page = report_page(report);
    CHECK(fault_of(page) == "");
    for (const char* piece :
         {"<html lang=\"en\">", "name=\"viewport\"", "default-src &#39;none&#39;",
          "style-src &#39;sha256-", "prefers-color-scheme: dark", "<main>", "Port 8080",
          "<caption>Alerts</caption>", "Divergence of transitions", "Divergence of occupancy",
          "Transitions, old state by new state", "Occupancy, phase by age", "trend of states",
          "open requests", "Analysis of occupancy", "How to read this", "threshold",
          "significance bound"})
        CHECK(has(page, piece));
    CHECK_FALSE(has(page, "<script"));
    CHECK_FALSE(has(page, " style=\""));
    CHECK_FALSE(has(page, "http:"));
    CHECK_FALSE(has(page, "https:"));
    CHECK(count_of(page, "role=\"img\"") == count_of(page, "<desc "));
    CHECK(count_of(page, "<table>") == count_of(page, "<caption>"));
}

TEST_CASE("every id occurs once in a report of two ports", "[report]") {
    Report report(story_header({}));
    for (const std::uint32_t port : {80, 443}) {
        Story story;
        story.port = port;
        for_each_entry(story, [&](const RecordingEntry& entry) { report.take(entry); });
    }
    report.finish();
    for (auto& [port, one] : report.ports) one.analyses.push_back(example_analysis());
    const std::string page = report_page(report);
    CHECK(has(page, "<nav aria-label=\"Ports\">"));
    std::vector<std::string> ids;
    for (std::size_t at = page.find(" id=\""); at != page.npos; at = page.find(" id=\"", at + 1))
        ids.push_back(page.substr(at + 5, page.find('"', at + 5) - at - 5));
    std::sort(ids.begin(), ids.end());
    CHECK(std::adjacent_find(ids.begin(), ids.end()) == ids.end());
    CHECK(ids.size() > 40);
}

TEST_CASE("a hostile host name is shown as text only", "[report]") {
    Story story;
    story.host = "<script>alert(\"1\")</script>'\"]]></style><!--\x1b[31m";
    const std::string page = report_page(reported(story));
    CHECK(fault_of(page) == "");
    CHECK_FALSE(has(page, "<script"));
    CHECK_FALSE(has(page, "<!--"));
    CHECK_FALSE(has(page, "\x1b"));
    CHECK(has(page, "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&quot;]]&gt;"));
    CHECK(count_of(page, "</style>") == 1);
}

TEST_CASE("alerts, gaps and learning are reported with their times", "[report]") {
    const Story story;
    const Report report = reported(story);
    const PortHistory& history = history_of(report);
    CHECK(history.windows == story.windows - Story::missed);
    CHECK(history.missing == Story::missed);
    REQUIRE(history.gaps.spans.size() == 1);
    CHECK(history.baselines == 1);
    CHECK(history.monitored == history.windows - Story::learning);
    REQUIRE(history.learning.spans.size() == 1);
    REQUIRE(history.alerts.spans.size() == 2);
    const AlertSpan& first = history.alerts.spans[0];
    CHECK(first.signal == JSG_OCCUPANCY);
    CHECK(first.from_ms / 1000 == Story::begin_ms / 1000 + story.first_raise() + 2);
    CHECK(first.to_ms / 1000 == Story::begin_ms / 1000 + story.first_clear());
    CHECK_FALSE(first.still_up);
    CHECK(history.alerts.spans[1].still_up);
    const std::string page = report_page(report);
    CHECK(has(page, "2 alerts were up"));
    CHECK(has(page, "7 windows are missing, in 1 gap."));
    CHECK(has(page, "still up at the end"));
}

TEST_CASE("an alert's peak is the largest of its windows with the verdict above", "[report]") {
    Report report(story_header({}));
    RecordedWindow window = story_window({}, 100);
    window.record.signal[JSG_OCCUPANCY].alert = JSG_ALERT;
    for (const auto& [js, found] :
         {std::pair(200u, JSG_ABOVE), std::pair(900u, JSG_NO_EXCESS), std::pair(400u, JSG_ABOVE)}) {
        window.record.signal[JSG_OCCUPANCY].js_nanobits = js * 1'000'000;
        window.record.signal[JSG_OCCUPANCY].verdict = found;
        report.take(window);
    }
    report.finish();
    REQUIRE(history_of(report).alerts.spans.size() == 1);
    CHECK(history_of(report).alerts.spans[0].peak_bits == Approx(0.4));
}

TEST_CASE("the report states that an alert was up before the recording", "[report]") {
    Report report(story_header({}));
    RecordedService service;
    service.service.port = 8080;
    service.service.alerts[JSG_OCCUPANCY].state = JSG_ALERT;
    report.take(service);
    RecordedWindow window = story_window({}, 100);
    window.record.signal[JSG_OCCUPANCY].alert = JSG_ALERT;
    report.take(window);
    window.record.signal[JSG_OCCUPANCY].alert = JSG_QUIET;
    window.record.sequence++;
    report.take(window);
    report.finish();
    REQUIRE(history_of(report).alerts.spans.size() == 1);
    CHECK(history_of(report).alerts.spans[0].was_up);
    CHECK(has(report_page(report), "before the recording"));
}

TEST_CASE("the shown window is the peak of those above the threshold, or the requested one",
          "[report]") {
    const Story story;
    const Report peaks = reported(story);
    std::uint32_t peak = 0;
    for (std::uint64_t sequence = 1; sequence <= story.windows; sequence++) {
        const RecordedWindow window = story_window(story, sequence);
        const bool recorded = sequence < story.gap() || sequence >= story.gap() + Story::missed;
        if (recorded && window.record.signal[JSG_OCCUPANCY].verdict == JSG_ABOVE)
            peak = std::max(peak, window.record.signal[JSG_OCCUPANCY].js_nanobits);
    }
    const auto& shown = history_of(peaks).signals[JSG_OCCUPANCY].shown;
    REQUIRE(shown);
    CHECK(shown->window.record.signal[JSG_OCCUPANCY].js_nanobits == peak);
    CHECK(shown->baseline);

    const Report asked = reported(story, 200);
    for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY}) {
        REQUIRE(history_of(asked).signals[signal].shown);
        CHECK(history_of(asked).signals[signal].shown->window.record.sequence == 200);
    }
    CHECK(has(report_page(asked), "Window 200, which ended at"));
    CHECK_FALSE(history_of(reported(story, 100'000)).signals[JSG_OCCUPANCY].shown);
}

TEST_CASE("a window is shown with the baseline in force at its time", "[report]") {
    const Report early = reported({}, Story::learning);
    CHECK_FALSE(history_of(early).signals[JSG_TRANSITIONS].shown->baseline);
    CHECK(has(report_page(early), "No baseline was in force."));
    const Report later = reported({}, Story::learning + 1);
    CHECK(history_of(later).signals[JSG_TRANSITIONS].shown->baseline);
}

TEST_CASE("the parts of the shown cells add up to the recorded divergence", "[report]") {
    const Report report = reported({});
    for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY}) {
        const ShownWindow& shown = *history_of(report).signals[signal].shown;
        double bits = 0, window = 0, baseline = 0;
        for (const CellShare& cell : cell_shares(shown, signal)) {
            bits += cell.bits;
            window += cell.window;
            baseline += cell.baseline;
        }
        CAPTURE(signal);
        CHECK(bits == Approx(js_of(shown, signal)).margin(2e-9));
        CHECK(window == Approx(1).margin(1e-9));
        CHECK(baseline == Approx(1).margin(1e-9));
    }
}

TEST_CASE("a port that left and came back is reported as one, and its alert has ended",
          "[report]") {
    Report report(story_header({}));
    RecordedWindow window = story_window({}, 300);
    window.record.signal[JSG_OCCUPANCY].alert = JSG_ALERT;
    report.take(window);
    report.take(RecordedEnd{8080, 300});
    window = story_window({}, 301);
    window.record.signal[JSG_OCCUPANCY].alert = JSG_QUIET;
    report.take(window);
    report.finish();
    CHECK(history_of(report).ends == 1);
    REQUIRE(history_of(report).alerts.spans.size() == 1);
    CHECK_FALSE(history_of(report).alerts.spans[0].still_up);
    CHECK_FALSE(history_of(report).alerts.spans[0].was_up);
}

TEST_CASE("ports above the maximum number of services are counted, not shown", "[report]") {
    Report report(story_header({}));
    for (std::uint32_t port = 1; port <= Report::max_ports + 2; port++) {
        Story story;
        story.port = port;
        report.take(story_window(story, 100));
    }
    report.finish();
    CHECK(report.ports.size() == Report::max_ports);
    CHECK(report.entries_left_out == 2);
    CHECK(has(report_page(report), "Only the first 64 ports are shown"));
}

TEST_CASE("a page of a hundred thousand windows is small", "[report]") {
    Story story;
    story.windows = 100'000;
    Report report(story_header(story));
    // All windows have the same counts. Only their number grows.
    RecordedWindow window = story_window(story, 100);
    for (std::uint64_t sequence = 1; sequence <= story.windows; sequence++) {
        window.record.sequence = sequence;
        window.record.end_unix_ms = Story::begin_ms + sequence * 1000;
        window.record.signal[JSG_OCCUPANCY].js_nanobits =
            static_cast<std::uint32_t>(sequence * 7919 % JSG_NANO);
        window.record.signal[JSG_OCCUPANCY].alert = sequence % 50 < 10 ? JSG_ALERT : JSG_QUIET;
        report.take(window);
    }
    report.finish();
    const std::string page = report_page(report);
    CHECK(page.size() < 1'500'000);
    CHECK(history_of(report).alerts.spans.size() == BoundedSpans<AlertSpan>::most);
    CHECK(history_of(report).alerts.left_out == 1001);
    CHECK(has(page, "2,001 alerts were up"));
}

TEST_CASE("entries of random values make a sound page", "[report]") {
    for (std::uint64_t seed = 1; seed <= 20; seed++) {
        CAPTURE(seed);
        Samples samples(seed);
        Report report(samples.header());
        report.take(samples.service(80, 1));
        for (std::uint64_t sequence = 2; sequence < 40; sequence++) {
            report.take(samples.window(80, sequence));
            if (samples.below(4) == 0)
                report.take(RecordedBaseline{80, sequence, samples.baseline()});
            if (samples.below(8) == 0) report.take(RecordedGap{80, sequence, 3});
        }
        report.take(RecordedRelearning{80, 40});
        report.finish();
        const std::string page = report_page(report);
        CHECK(fault_of(page) == "");
        CHECK_FALSE(has(page, "\"nan"));
        CHECK_FALSE(has(page, "inf,"));
    }
}

TEST_CASE("the report of an empty recording states that it is empty", "[report]") {
    Report report(story_header({}));
    report.finish();
    const std::string page = report_page(report);
    CHECK(fault_of(page) == "");
    CHECK(has(page, "Nothing of any port was recorded."));
    RecordedService service;
    service.service.port = 80;
    report.take(service);
    CHECK(has(report_page(report), "No window of this port was recorded."));
}

TEST_CASE("an analysis is its own page, with classes, measures and strips", "[report]") {
    const std::string page = analysis_page(std::vector{example_analysis()});
    CHECK(fault_of(page) == "");
    for (const char* piece :
         {"Analysis of occupancy", "&lt;slow&gt;", "total variation", "AUC", "100.0 %",
          "best threshold", "Left out as empty: 3 samples.", "&lt;slow&gt; (50)"})
        CHECK(has(page, piece));
    CHECK(count_of(page, "class=\"strip ") >= 20);
}

TEST_CASE("a report is written as a whole, and does not replace what is not a file", "[report]") {
    const auto directory = fs::temp_directory_path();
    const auto path = directory / "jsguard-report-test.html";
    write_report_page(path, reported({}));
    std::ifstream file(path);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    CHECK(text == report_page(reported({})));
    fs::remove(path);
    CHECK_THROWS_AS(check_report_target("/dev/null", {}), Error);
    CHECK_THROWS_AS(check_report_target(directory / "no-such-directory" / "x.html", {}), Error);
}

TEST_CASE("a recording without a monitored window is reported without an analysis", "[report]") {
    Recording recording;
    recording.service(80);
    Report report = read_report({recording.path(), {}, {}});
    REQUIRE(report.ports.size() == 1);
    CHECK(report.ports.at(80).analyses.empty());
    CHECK(fault_of(report_page(report)) == "");
    recording.windows(80, 1, 20);
    report = read_report({recording.path(), {}, {}});
    CHECK(report.ports.at(80).history.windows == 20);
    CHECK(report.ports.at(80).analyses.empty());
    CHECK(fault_of(report_page(report)) == "");
}

TEST_CASE("of two ports only the monitored one is analyzed", "[report]") {
    Recording recording;
    recording.service(80, monitoring - 1);
    recording.service(443, monitoring - 6);
    recording.windows(80, monitoring, monitoring + 4);
    recording.windows(443, monitoring - 5, monitoring - 1);
    const Report report = read_report({recording.path(), {}, {}});
    CHECK(report.ports.at(80).analyses.size() == 2);
    CHECK(report.ports.at(443).analyses.empty());
    CHECK(fault_of(report_page(report)) == "");
}

TEST_CASE("a port with an alert up in all windows is not analyzed", "[report]") {
    Recording recording;
    recording.service(80, monitoring - 1);
    RecordedWindow window = story_window({}, monitoring);
    window.record.port = 80;
    window.record.signal[JSG_OCCUPANCY].alert = JSG_ALERT;
    recording.write(window);
    CHECK(read_report({recording.path(), {}, {}}).ports.at(80).analyses.empty());
}

TEST_CASE("windows that are written during the second pass are left out", "[report]") {
    Recording recording;
    recording.service(80, monitoring - 1);
    recording.service(443, monitoring - 6);
    recording.windows(80, monitoring, monitoring + 4);
    recording.windows(443, monitoring - 5, monitoring - 1);
    int calls = 0;
    const Report report =
        read_report({recording.path(), {}, {}}, [&](std::uint64_t, std::uint64_t) {
            if (++calls != 13) return;  // 12 entries are read, then the first again
            recording.windows(80, monitoring + 5, monitoring + 9);
            recording.windows(443, monitoring, monitoring + 4);
        });
    CHECK(calls == 24);
    REQUIRE(report.ports.at(80).analyses.size() == 2);
    CHECK(report.ports.at(80).analyses[0].classes[0].samples.size() == 5);
    CHECK(report.ports.at(443).analyses.empty());
}

TEST_CASE("a recording that is cut while it is read twice is wrong input", "[report]") {
    Recording recording;
    recording.service(80, monitoring - 1);
    recording.windows(80, monitoring, monitoring + 4);
    const auto header = recording_line(story_header({})).size() + 1;
    int calls = 0;
    const auto cut = [&](std::uint64_t, std::uint64_t) {
        if (++calls == 6) fs::resize_file(recording.path(), header);
    };
    CHECK_THROWS_WITH(read_report({recording.path(), {}, {}}, cut),
                      Contains("was replaced while it was read"));
}

TEST_CASE("one port is read alone", "[report]") {
    Recording recording;
    for (const std::uint32_t port : {80u, 443u}) {
        recording.service(port, monitoring - 1);
        recording.windows(port, monitoring, monitoring + 4);
    }
    const Report report = read_report({recording.path(), {}, 443});
    REQUIRE(report.ports.size() == 1);
    CHECK(report.ports.at(443).analyses.size() == 2);
    CHECK_THROWS_WITH(read_report({recording.path(), {}, 81}),
                      Contains("it has no entry of port 81"));
}

TEST_CASE("a report does not replace its recording, under any name", "[report]") {
    const Recording recording;
    const fs::path link = recording.path().string() + ".html";
    fs::create_symlink(recording.path(), link);
    for (const fs::path& target : {recording.path(), link}) {
        try {
            check_report_target(target, {"/dev/null", recording.path()});
            FAIL("accepted");
        } catch (const Error& error) {
            CHECK(error.code() == ExitCode::usage);
            CHECK_THAT(error.what(), Contains("it is the input"));
        }
    }
    fs::remove(link);
    check_report_target(link, {recording.path()});
}
