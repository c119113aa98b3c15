// SPDX-License-Identifier: BSD-2-Clause
// Tests of the screen of jsguard watch: that it shows everything, whatever its size.
#include "cli/watch_screen.hpp"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "cli/watch_line.hpp"
#include "observation_samples.hpp"
#include "tests/catch_compat.hpp"
#include "texts.hpp"

using namespace jsguard;

namespace {

constexpr std::uint32_t attacked_port = 8080, learning_port = 443, quiet_port = 80;

std::vector<std::string> text_of(const Lines& lines) {
    std::vector<std::string> texts;
    for (const Line& line : lines) {
        texts.emplace_back();
        for (const Piece& piece : line) texts.back() += piece.text;
    }
    return texts;
}

std::string joined(const Lines& lines) {
    std::string all;
    for (const std::string& text : text_of(lines)) all += text + "\n";
    return all;
}

// A quiet minute, an alert of 30 windows, and another minute.
std::vector<jsg_window> history(std::uint32_t port, std::size_t windows = 150) {
    std::vector<jsg_window> all;
    for (std::uint64_t sequence = 1; sequence <= windows; ++sequence) {
        const bool attacked = sequence > 60 && sequence <= 90;
        all.push_back(attacked ? samples::attacked_window(port, sequence)
                               : samples::quiet_window(port, sequence));
        all.back().end_unix_ms = samples::now_ms - 1000 * (windows - sequence);
        all.back().end_ns = sequence * second_ns;
    }
    return all;
}

Observation many_services() {
    Observation seen = samples::observation();
    seen.services.clear();
    for (std::uint32_t service_id = 1; service_id <= JSG_SERVICES; ++service_id)
        seen.services.push_back(
            samples::observed(service_id, samples::quiet_window(8000 + service_id, 99)));
    return seen;
}

Observation huge_numbers() {
    Observation seen = samples::observation();
    seen.host = std::string(300, 'h');
    constexpr auto max_count = std::numeric_limits<std::uint32_t>::max();
    for (ObservedService& one : seen.services) {
        for (auto& count : one.window_counts.transitions) count = max_count;
        for (auto& count : one.total_counts.transitions) count = max_count;
        for (auto& count : one.step_counts.occupancy) count = max_count;
        one.service.sockets = max_count;
        one.window->sockets = one.window->open_requests = one.window->idle_sockets = max_count;
        one.window->sample_weight = max_count;
        one.window->state_entropy_nanobits = std::numeric_limits<std::uint64_t>::max();
        one.service.alerts[JSG_TRANSITIONS] = {0,         0,         max_count, max_count,
                                               max_count, max_count, JSG_ALERT};
    }
    seen.stats = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
    return seen;
}

Observation nothing_closed_yet() {
    Observation seen = samples::observation();
    for (ObservedService& one : seen.services) {
        one.window.reset();
        one.baseline.reset();
        one.pending_baseline.reset();
        one.service.sequence = 0;
        one.service.mode = JSG_LEARNING;
        for (auto& threshold : one.service.threshold_nanobits) threshold = 0;
    }
    return seen;
}

Observation no_service() {
    Observation seen = samples::observation();
    seen.services.clear();
    return seen;
}

// Whether the text has no control characters. They would break the lines of the screen.
bool is_drawable(const std::string& text) {
    return std::none_of(text.begin(), text.end(),
                        [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; });
}

bool is_ascii(const std::string& text) {
    return std::none_of(text.begin(), text.end(),
                        [](char c) { return static_cast<unsigned char>(c) > 0x7e; });
}

// The number of the first line that contains this text, or -1.
long line_with(const Lines& lines, const std::string& part) {
    const auto texts = text_of(lines);
    const auto found = std::find_if(texts.begin(), texts.end(),
                                    [&](const auto& text) { return contains(text, part); });
    return found == texts.end() ? -1 : found - texts.begin();
}

std::string line_text(const Lines& lines, const std::string& part) {
    const long at = line_with(lines, part);
    return at < 0 ? "" : text_of(lines)[static_cast<std::size_t>(at)];
}

}  // namespace

TEST_CASE("the screen fits its canvas, whatever is on it", "[watch]") {
    const std::vector<Observation> observations = {samples::observation(), many_services(),
                                                   huge_numbers(), nothing_closed_yet(),
                                                   no_service()};
    const auto windows = history(attacked_port, JSG_WINDOWS_KEPT);
    for (std::size_t which = 0; which < observations.size(); ++which) {
        for (std::size_t width = 1; width <= 200; width += width < 24 ? 3 : 11) {
            for (std::size_t height = 1; height <= 60; height += height < 12 ? 2 : 7) {
                for (const std::uint32_t port : {0u, attacked_port, learning_port, 8064u}) {
                    const bool unicode = (width + height) % 2;
                    const Lines lines = watch_screen({observations[which], port, windows, false},
                                                     {width, height, unicode});
                    CAPTURE(which, width, height, port);
                    REQUIRE(lines.size() <= height);
                    for (const std::string& text : text_of(lines)) {
                        CAPTURE(text);
                        REQUIRE(columns(text) <= width);
                        REQUIRE(is_drawable(text));
                        REQUIRE((unicode || is_ascii(text)));
                    }
                }
            }
        }
    }
}

TEST_CASE("everything is shown at 80x24 and at 120x40", "[watch]") {
    const Observation seen = samples::observation();
    const auto windows = history(attacked_port);
    for (const auto& [width, height] : {std::pair{80, 24}, std::pair{120, 40}}) {
        const Lines lines =
            watch_screen({seen, attacked_port, windows, false},
                         {static_cast<std::size_t>(width), static_cast<std::size_t>(height), true});
        const std::string screen = joined(lines);
        CAPTURE(screen);
        CHECK(lines.size() == static_cast<std::size_t>(height));
        for (const char* part : {"jsguard web1",
                                 "1 alert up",
                                 "3 ports",
                                 "up 3 h 12 min",
                                 "lost",
                                 "ticks 1.00 % of one CPU",
                                 "8080",
                                 "443",
                                 "80",
                                 "learning",
                                 "monitoring",
                                 "! occupancy",
                                 "0.681/0.12",
                                 "0.002/0.12",
                                 "1,703",
                                 "511",
                                 "occupancy",
                                 "transitions",
                                 "above",
                                 "▁",
                                 "█",
                                 "┃",
                                 "entropy",
                                 "2.500 bits, rising (mean 2.400)",
                                 "phase",
                                 "response moving",
                                 "response slow",
                                 "request moving",
                                 "request slow",
                                 "closing",
                                 "half closed",
                                 "waiting",
                                 "idle",
                                 "1,180",
                                 "state entered",
                                 "SYN_RECV",
                                 "CLOSE_WAIT",
                                 "3,000",
                                 "75 %",
                                 "<1s",
                                 "1-2s",
                                 "2-4s",
                                 "4-8s",
                                 "8-16s",
                                 "16-32s",
                                 "32s+",
                                 "8080 ! ALERT occupancy, peak 0.960",
                                 "past alerts",
                                 "q quit",
                                 "p pause",
                                 "j/k or arrows service"}) {
            CAPTURE(part);
            CHECK(contains(screen, part));
        }
        CHECK(line_with(lines, "q quit") == height - 1);
    }
}

TEST_CASE("a narrow and low screen keeps what matters max_count", "[watch]") {
    const Observation seen = samples::observation();
    const auto windows = history(attacked_port);
    const std::string screen =
        joined(watch_screen({seen, attacked_port, windows, false}, {40, 10, true}));
    CAPTURE(screen);
    for (const char* part :
         {"jsguard web1", "1 alert up", " 8080 ! ALERT occupancy, peak 0.960, ra…", "0.681/0.12",
          "0.002/0.12", "request slow", "q quit", " 2 min 30 s ▁▁▁▁▁▁▁▁█"})
        CHECK(contains(screen, part));
    // The sparkline has a row, and an empty phase has none.
    CHECK_FALSE(contains(screen, "request moving"));
    const std::string low =
        joined(watch_screen({seen, attacked_port, windows, false}, {20, 5, true}));
    CAPTURE(low);
    for (const char* part : {"1 alert up", "0.681/", " 8080 ! ALERT"}) CHECK(contains(low, part));
}

TEST_CASE("counts, shares and the baseline's shares are in one row", "[watch]") {
    const Observation seen = samples::observation();
    const Lines lines = watch_screen({seen, attacked_port, {}, false}, {120, 40, true});
    const std::string request = line_text(lines, "request slow");
    CAPTURE(request);
    CHECK(contains(request, "511  98 %   0 % █"));
    const std::string opened = line_text(lines, "SYN_RECV");
    CAPTURE(opened);
    CHECK(contains(opened, "3,000  75 %  50 % "));
    CHECK(contains(line_text(lines, "response moving"), "9   2 % 100 % "));
    // Idle sockets have no share.
    CHECK_FALSE(contains(line_text(lines, "idle").substr(0, 50), "%"));
}

TEST_CASE("counts of sockets contain the sampling weight, and are not weighted again", "[watch]") {
    Observation seen = samples::observation();
    seen.services.back().window->sample_weight = 3;
    const Lines lines = watch_screen({seen, attacked_port, {}, false}, {120, 40, true});
    CHECK(contains(line_text(lines, "request slow"), " 511  98 %"));
    CHECK(contains(line_text(lines, "age of phase"), "8-16s 511"));
}

TEST_CASE("a service that learns shows its progress, and has no divergence", "[watch]") {
    const Observation seen = samples::observation();
    const Lines lines = watch_screen({seen, learning_port, {}, false}, {100, 30, true});
    CHECK(contains(joined(lines), "port 443 learning: 23 of 60 s"));
    CHECK(contains(line_text(lines, "not judged"), "occupancy   -/0.12"));
}

TEST_CASE("two alerts of one service are both shown", "[watch]") {
    Observation seen = samples::observation();
    seen.services.back().service.alerts[JSG_TRANSITIONS] =
        seen.services.back().service.alerts[JSG_OCCUPANCY];
    const std::string screen =
        joined(watch_screen({seen, attacked_port, {}, false}, {100, 40, true}));
    CHECK(contains(
        screen,
        "! ALERT occupancy, peak 0.960 bits, raised 3 min 18 s ago, above since 03:00:45 UTC"));
    CHECK(contains(screen, "! ALERT transitions, peak 0.960 bits, raised 3 min 18 s ago, above"));
    CHECK(contains(screen, "! occupancy, ! transitions"));
}

TEST_CASE("the list begins with the services with alerts, and shows the chosen one", "[watch]") {
    const Lines three =
        watch_screen({samples::observation(), quiet_port, {}, false}, {80, 24, true});
    CHECK(line_with(three, "  8080  monitoring") < line_with(three, ">   80  monitoring"));
    CHECK(line_with(three, "  8080  monitoring") > 0);
    const Lines many = watch_screen({many_services(), 8064, {}, false}, {80, 24, true});
    CHECK(line_with(many, "> 8064") > 0);
    CHECK(line_with(many, "  8001") == -1);
}

TEST_CASE("losses are shown", "[watch]") {
    Observation seen = samples::observation();
    CHECK(contains(joined(watch_screen({seen}, {80, 24, true})), "nothing lost"));
    seen.stats.alerts_lost = 2;
    const std::string screen = joined(watch_screen({seen}, {80, 24, true}));
    CHECK(contains(screen, "lost or left out: 2 alerts"));
    CHECK_FALSE(contains(screen, "nothing lost"));
}

TEST_CASE("losses remain visible on any screen", "[watch]") {
    Observation seen = huge_numbers();
    const std::string sum = "lost 41";  // its losses are 1 to 9, without 4
    for (const std::size_t width : {22, 40, 80, 120}) {
        for (const std::size_t height : {5, 10, 24, 40}) {
            const std::string screen = joined(watch_screen({seen}, {width, height, false}));
            CAPTURE(width, height, screen);
            CHECK(contains(screen, sum));
            CHECK(contains(screen, "4 alerts up"));
        }
    }
    seen = samples::observation();
    seen.stats.windows_lost = 1;
    const auto first_line = [&](std::size_t width, std::size_t height) {
        return text_of(watch_screen({seen}, {width, height, true})).front();
    };
    CHECK(first_line(40, 10) == "jsguard web1   1 alert up   lost 1");
    CHECK(first_line(100, 10) ==
          "jsguard web1   1 alert up   3 ports   up 3 h 12 min   lost or left out: 1 window "
          "record");
    CHECK(first_line(80, 10) == "jsguard web1   1 alert up   3 ports   up 3 h 12 min   lost 1");
}

TEST_CASE("text that is cut is marked", "[watch]") {
    const Observation seen = samples::observation();
    const auto ends = [&](bool unicode, const std::string& with) {
        const std::string line =
            line_text(watch_screen({seen, attacked_port, {}, false}, {30, 10, unicode}), "ALERT");
        CAPTURE(line);
        CHECK(line.ends_with(with));
        CHECK(columns(line) == 30);
    };
    ends(true, "occupancy, peak…");
    ends(false, "occupancy, peak>");
    CHECK(line_text(watch_screen({no_service(), 81}, {20, 10, true}), "port 81") ==
          "port 81 is not moni…");
    // A key is shown whole or not at all.
    CHECK(text_of(watch_screen({seen, quiet_port}, {40, 10, true})).back() ==
          "q quit   j/k or arrows service   p pause");
    CHECK(text_of(watch_screen({seen, quiet_port}, {39, 10, true})).back() == "q quit   p pause");
}

TEST_CASE("the sparkline shows minutes, whatever the width", "[watch]") {
    const Observation seen = samples::observation();
    auto windows = history(attacked_port, JSG_WINDOWS_KEPT);
    for (const std::size_t width : {40, 80, 120, 200}) {
        const Lines lines = watch_screen({seen, attacked_port, windows, false}, {width, 24, true});
        int minutes = 0, seconds = 0;
        for (const std::string& text : text_of(lines)) {
            if (std::sscanf(text.c_str(), " %d min %d s ", &minutes, &seconds) == 2) break;
        }
        CAPTURE(width, minutes, seconds);
        CHECK(60 * minutes + seconds > 170);
        CHECK(60 * minutes + seconds <= 240);
    }
}

TEST_CASE("one window above the threshold is visible among those that share its column",
          "[watch]") {
    const Observation seen = samples::observation();
    std::vector<jsg_window> windows;
    for (std::uint64_t sequence = 1; sequence <= 150; ++sequence)
        windows.push_back(sequence == 100 ? samples::attacked_window(attacked_port, sequence)
                                          : samples::quiet_window(attacked_port, sequence));
    const std::string screen =
        joined(watch_screen({seen, attacked_port, windows, false}, {40, 10, true}));
    CAPTURE(screen);
    CHECK(contains(screen, " 2 min 30 s ▁▁▁▁▁▁▁▁▁▁▁▁▁▁█▁▁▁▁▁▁▁\n"));
}

TEST_CASE("a list that is not whole states which part it is", "[watch]") {
    const auto heading = [](std::uint32_t port, std::size_t width, std::size_t height) {
        return line_text(watch_screen({many_services(), port, {}, false}, {width, height, true}),
                         " of 64");
    };
    CHECK(heading(8001, 80, 24).ends_with(" 1-3 of 64"));
    CHECK(heading(8064, 80, 24).ends_with(" 62-64 of 64"));
    CHECK(heading(8005, 40, 10).ends_with(" 5 of 64"));
    CHECK(heading(8005, 20, 10).ends_with(" 5 of 64"));
    CHECK(heading(8005, 120, 100).empty());
}

TEST_CASE("past alerts have the time of their raise, or the time before which it was", "[watch]") {
    const Observation seen = samples::observation();
    auto windows = history(attacked_port);
    const auto past = [&] {
        return line_text(watch_screen({seen, attacked_port, windows, false}, {80, 24, true}),
                         "past alerts");
    };
    CHECK(past() == "past alerts occupancy peak 0.681, raised 03:02:36 UTC, cleared 30 s later");
    windows.erase(windows.begin(), windows.begin() + 70);
    CHECK(past() ==
          "past alerts occupancy peak 0.681, raised before 03:02:46, cleared 03:03:06 UTC");
}

TEST_CASE("the screen of a detector without services states that", "[watch]") {
    const Observation seen = no_service();
    CHECK(contains(joined(watch_screen({seen}, {80, 24, true})), "no port is monitored yet"));
    CHECK(contains(joined(watch_screen({seen, 81}, {80, 24, true})), "port 81 is not monitored"));
}

TEST_CASE("a screen that is paused states that", "[watch]") {
    const std::string screen =
        joined(watch_screen({samples::observation(), quiet_port, {}, true}, {80, 24, true}));
    CHECK(contains(screen, "PAUSED"));
    CHECK(contains(screen, "p continue"));
}

TEST_CASE("a host's name cannot break the screen", "[watch]") {
    Observation seen = samples::observation();
    seen.host = "a\033[2Jb\xc3\xa4";
    CHECK(contains(joined(watch_screen({seen}, {80, 24, true})), "jsguard a?[2Jb??"));
}

TEST_CASE("a window is one plain line", "[watch]") {
    const Observation seen = samples::observation();
    const ObservedService& attacked = seen.services.back();
    CHECK(watch_line(*attacked.window, attacked.service) ==
          "2026-01-02T03:04:05.278+00:00 port 8080 monitoring: occupancy 0.681/0.12 above, "
          "transitions 0.002/0.12 normal, 1703 sockets, 511 requests, ALERT occupancy");
    const ObservedService& learning = seen.services[1];
    CHECK(watch_line(*learning.window, learning.service) ==
          "2026-01-02T03:04:05.278+00:00 port 443 learning: occupancy -/0.12 not judged, "
          "transitions -/0.12 not judged, 1203 sockets, 11 requests");
}
