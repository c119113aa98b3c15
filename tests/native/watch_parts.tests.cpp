// SPDX-License-Identifier: BSD-2-Clause
// Tests of the parts of the screen of jsguard watch: bars, sparklines, past alerts, the choice.
#include <array>
#include <string>
#include <vector>

#include "cli/styled_text.hpp"
#include "cli/watch_choice.hpp"
#include "cli/watch_service.hpp"
#include "observation_samples.hpp"
#include "tests/catch_compat.hpp"

using namespace jsguard;

namespace {

std::string text_of(const Line& line) {
    std::string text;
    for (const Piece& piece : line) text += piece.text;
    return text;
}

std::string bar_text(double value, std::optional<double> mark, bool unicode = true) {
    return text_of(bar(value, mark, 4, Style::plain, glyphs(unicode)));
}

std::vector<std::string> spark_texts(const std::vector<Spark>& sparks, std::size_t rows,
                                     bool unicode = true) {
    std::vector<std::string> texts;
    for (const Line& line : sparkline(sparks, rows, glyphs(unicode)))
        texts.push_back(text_of(line));
    return texts;
}

jsg_alert_track up() {
    jsg_alert_track track{};
    track.state = JSG_ALERT;
    return track;
}

}  // namespace

TEST_CASE("a bar is as long as its value, to an eighth of a column", "[styled_text]") {
    CHECK(bar_text(0, {}) == "····");
    CHECK(bar_text(0.5, {}) == "██··");
    CHECK(bar_text(0.5 + 1.0 / 32, {}) == "██▏·");
    CHECK(bar_text(1, {}) == "████");
    CHECK(bar_text(1e-9, {}) == "▏···");
    CHECK(bar_text(0.5, {}, false) == "##..");
    // A value out of range is shown at the end of the range.
    CHECK(bar_text(7, {}) == "████");
    CHECK(bar_text(-1, {}) == "····");
}

TEST_CASE("a bar has its mark at the right column", "[styled_text]") {
    CHECK(bar_text(0, 0.0) == "┃···");
    CHECK(bar_text(0.5, 0.75) == "██·┃");
    CHECK(bar_text(1, 1.0) == "███┃");
    CHECK(bar_text(1, 0.25, false) == "#|##");
}

TEST_CASE("a sparkline's columns are as high as their values", "[styled_text]") {
    const std::vector<Spark> sparks = {{0.0}, {0.5}, {{}}, {1.0}};
    CHECK(spark_texts(sparks, 1) == std::vector<std::string>{"▁▄·█"});
    CHECK(spark_texts(sparks, 2) == std::vector<std::string>{"   █", "▁█·█"});
    CHECK(spark_texts(sparks, 1, false) == std::vector<std::string>{"_=?#"});
}

TEST_CASE("text is cut and filled by characters", "[styled_text]") {
    CHECK(padded("█▁", 3) == "█▁ ");
    CHECK(padded("█▁", 3, true) == " █▁");
    CHECK(padded("█▁x", 2) == "█▁");
    CHECK(text_of(cut({{"█▁"}, {"▂x"}}, 4, "…")) == "█▁▂x");
    CHECK(text_of(cut({{"█▁"}, {"▂x"}}, 3, "…")) == "█▁…");
    CHECK(text_of(cut({{"ab"}, {"c"}}, 1, ">")) == ">");
    CHECK(cut({{"ab"}}, 0, ">").empty());
}

TEST_CASE("past alerts are found in the windows, the last first", "[past_alerts]") {
    std::vector<jsg_window> windows;
    for (std::uint64_t sequence = 1; sequence <= 50; ++sequence) {
        const bool attacked = sequence <= 3 || (sequence > 10 && sequence <= 20) || sequence > 45;
        windows.push_back(attacked ? samples::attacked_window(80, sequence)
                                   : samples::quiet_window(80, sequence));
        windows.back().end_unix_ms = 1000 * sequence;
        windows.back().end_ns = 1'001 * sequence;
    }
    windows[14].signal[JSG_OCCUPANCY].js_nanobits = 900'000'000;
    windows[15].signal[JSG_OCCUPANCY].js_nanobits = 950'000'000;
    windows[15].signal[JSG_OCCUPANCY].verdict =
        JSG_NO_EXCESS;  // not above, so not the alert's peak
    windows[30].signal[JSG_TRANSITIONS].alert = JSG_ALERT;
    const auto alerts = past_alerts(windows);
    REQUIRE(alerts.size() == 3);  // the last one is still up
    CHECK(alerts[0].signal == JSG_TRANSITIONS);
    CHECK(alerts[0].raised_unix_ms == 31'000);
    CHECK(alerts[0].cleared_unix_ms == 32'000);
    CHECK(alerts[1].signal == JSG_OCCUPANCY);
    CHECK(alerts[1].raised_unix_ms == 11'000);
    CHECK(alerts[1].cleared_unix_ms == 21'000);
    CHECK(alerts[1].duration_ns == 10'010);
    CHECK_FALSE(alerts[1].is_older);
    CHECK(alerts[1].peak_nanobits == 900'000'000);
    CHECK(alerts[2].is_older);
    CHECK(alerts[2].raised_unix_ms == 1'000);
    CHECK(alerts[2].duration_ns == 0);
    CHECK(alerts[2].cleared_unix_ms == 4'000);
    CHECK(past_alerts({}).empty());
}

TEST_CASE("the service with an alert is chosen until the user chooses", "[watch_choice]") {
    Observation seen = samples::observation();  // 80 quiet, 443 learns, 8080 has an alert
    jsg_alert_track& alert = seen.services[2].service.alerts[JSG_OCCUPANCY];
    alert = {};
    WatchChoice choice(0);
    REQUIRE(choice.follow(seen));
    CHECK(choice.port() == 80);
    alert = up();
    choice.follow(seen);
    CHECK(choice.port() == 8080);
    // Neither a second alert nor the end of the alert changes the choice.
    seen.services[0].service.alerts[JSG_TRANSITIONS] = up();
    choice.follow(seen);
    CHECK(choice.port() == 8080);
    alert = {};
    seen.services[0].service.alerts[JSG_TRANSITIONS] = {};
    choice.follow(seen);
    CHECK(choice.port() == 8080);
    // A key that does not move to another service is no choice.
    choice.move(seen, 0);
    seen.services[0].service.alerts[JSG_TRANSITIONS] = up();
    choice.follow(seen);
    CHECK(choice.port() == 80);
    seen.services[0].service.alerts[JSG_TRANSITIONS] = {};
    choice.move(seen, JSG_SERVICES);
    CHECK(choice.port() == 8080);
    choice.move(seen, -1);
    choice.follow(seen);
    CHECK(choice.port() == 443);
    alert = up();
    choice.follow(seen);
    CHECK(choice.port() == 443);
}

TEST_CASE("the choice remains on the list, and moves on when its service has left",
          "[watch_choice]") {
    Observation seen = samples::observation();
    WatchChoice choice(0);
    choice.follow(seen);
    CHECK(choice.port() == 8080);  // the list is 8080, 80, 443
    choice.move(seen, -1);
    CHECK(choice.port() == 8080);
    choice.move(seen, 7);
    CHECK(choice.port() == 443);
    std::erase_if(seen.services, [](const auto& one) { return one.service.port == 443; });
    REQUIRE(choice.follow(seen));
    CHECK(choice.port() == 8080);
    seen.services.clear();
    CHECK(choice.follow(seen) == nullptr);
    CHECK(choice.port() == 0);
    choice.move(seen, 1);
    CHECK(choice.port() == 0);
}

TEST_CASE("a fixed port remains chosen, monitored or not", "[watch_choice]") {
    Observation seen = samples::observation();
    WatchChoice choice(443);
    REQUIRE(choice.follow(seen));
    choice.move(seen, 1);
    CHECK(choice.follow(seen)->service.port == 443);
    seen.services.clear();
    CHECK(choice.follow(seen) == nullptr);
    CHECK(choice.port() == 443);
}
