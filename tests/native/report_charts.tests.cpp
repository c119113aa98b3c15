// SPDX-License-Identifier: BSD-2-Clause
// Tests of the parts of a report's page: escaping, elements, thinned lines, charts, heat maps.
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "common/error.hpp"
#include "common/quantity_text.hpp"
#include "markup.hpp"
#include "offline/report/heat_map.hpp"
#include "offline/report/html.hpp"
#include "offline/report/svg_chart.hpp"
#include "offline/report/timeline.hpp"
#include "tests/catch_compat.hpp"

using namespace jsguard;

namespace {

std::vector<TimedValue> points_of(const Timeline& timeline) {
    std::vector<TimedValue> points;
    for (const Timeline::Run& run : timeline.runs())
        points.insert(points.end(), run.begin(), run.end());
    return points;
}

bool drawn(const Timeline& timeline, const TimedValue& wanted) {
    for (const TimedValue& point : points_of(timeline)) {
        if (point.unix_ms == wanted.unix_ms && point.value == wanted.value) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("characters that could end a text, an attribute or a data section are escaped",
          "[report]") {
    CHECK(html_escaped("a<b>&\"'") == "a&lt;b&gt;&amp;&quot;&#39;");
    CHECK(html_escaped("</style>]]>") == "&lt;/style&gt;]]&gt;");
    CHECK(html_escaped("t\xc3\xbcr") == "t\xc3\xbcr");
    CHECK(html_escaped(std::string_view("\0\x1b\x7f\n", 4)) ==
          "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\n");
}

TEST_CASE("bytes that are not UTF-8 are replaced in a page", "[report]") {
    const std::string bad = "\xef\xbf\xbd";
    for (const char* sound : {"\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                              "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
        CHECK(html_escaped(sound) == sound);
    CHECK(html_escaped("a\xff"
                       "b") == "a" + bad + "b");
    CHECK(html_escaped("\xe2\x82") == bad + bad);  // cut short
    CHECK(html_escaped("\xc3<") == bad + "&lt;");
    CHECK(html_escaped("\xc0\xbc") == bad + bad);            // '<' written too long
    CHECK(html_escaped("\xe0\x9f\xbf") == bad + bad + bad);  // too long
    CHECK(html_escaped("\xed\xa0\x80") == bad + bad + bad);  // a surrogate
    CHECK(html_escaped("\xf0\x8f\xbf\xbf") == bad + bad + bad + bad);
    CHECK(html_escaped("\xf4\x90\x80\x80") == bad + bad + bad + bad);  // above U+10FFFF
    CHECK(html_escaped("\xf1\x80\x80.") == bad + bad + bad + ".");
}

TEST_CASE("a text for one line is not cut inside a character", "[report]") {
    const std::string longest(199, 'a');
    CHECK(printable(longest + "\xc3\xbc") == longest + "...");
    CHECK(printable(longest + "bc") == longest + "b...");
    CHECK(printable(longest + "b") == longest + "b");
}

TEST_CASE("a text for one line has no control characters, and is UTF-8", "[report]") {
    CHECK(printable("a\n\x1b[2J\x7f") == "a??[2J?");
    CHECK(printable("\x9b"
                    "2J") == "?2J");  // a C1 control by itself
    CHECK(printable("\xc2\x9b"
                    "2J") == "??2J");  // the same in UTF-8
    CHECK(printable("\xc2\xa0\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80") ==
          "\xc2\xa0\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80");
    CHECK(printable("\xe2\x82") == "??");  // cut short
    CHECK(printable("") == "");
}

TEST_CASE("elements are closed where their scope ends, and their attributes escaped", "[report]") {
    Html html;
    {
        const auto outer = html.open("p", {{"title", "\"><script>"}});
        html.leaf("b", "x<y");
        html.empty("line", {{"x1", "1"}});
    }
    CHECK(html.page() ==
          "<p title=\"&quot;&gt;&lt;script&gt;\"><b>x&lt;y</b>\n<line x1=\"1\"/>\n</p>\n");
    CHECK(fault_of(html.page()).empty());
}

TEST_CASE("the check of pages finds what is not sound", "[report]") {
    CHECK(fault_of("<!DOCTYPE html>\n<p a=\"b>c\">&lt;<br/></p>").empty());
    CHECK_FALSE(fault_of("<p><b></p></b>").empty());
    CHECK_FALSE(fault_of("<p>").empty());
    CHECK_FALSE(fault_of("<p>a & b</p>").empty());
    CHECK_FALSE(fault_of("<p>a < b</p>").empty());
    CHECK_FALSE(fault_of("</p>").empty());
}

TEST_CASE("a short line is drawn whole", "[report]") {
    Timeline timeline(1000);
    for (std::uint64_t i = 0; i < Timeline::max_buckets; i++)
        timeline.add(5000 + i * 1000, static_cast<double>(i % 7));
    const auto points = points_of(timeline);
    REQUIRE(points.size() == Timeline::max_buckets);
    CHECK(timeline.runs().size() == 1);
    CHECK(points[9].unix_ms == 14000);
    CHECK(points[9].value == 2);
}

TEST_CASE("thinning keeps the extremes of a long line at their times", "[report]") {
    const std::uint64_t windows = GENERATE(501u, 3600u, 100'000u);
    const std::uint64_t peak = GENERATE(0u, 1u, 250u, 499u);
    Timeline timeline(1000);
    for (std::uint64_t i = 0; i < windows; i++)
        timeline.add(i * 1000, i == peak ? 9 : i == peak + 1 ? -9 : std::sin(double(i)));
    CAPTURE(windows, peak);
    CHECK(points_of(timeline).size() <= 2 * Timeline::max_buckets);
    CHECK(points_of(timeline).size() > Timeline::max_buckets / 2);
    CHECK(drawn(timeline, {peak * 1000, 9}));
    CHECK(drawn(timeline, {(peak + 1) * 1000, -9}));
    CHECK(timeline.highest().unix_ms == peak * 1000);
    CHECK(timeline.lowest().value == -9);
    CHECK(timeline.values() == windows);
}

TEST_CASE("points come in the order of time", "[report]") {
    Timeline timeline(1000);
    for (std::uint64_t i = 0; i < 5000; i++) timeline.add(i * 1000, double(i * 7919 % 101));
    const auto points = points_of(timeline);
    for (std::size_t i = 1; i < points.size(); i++)
        REQUIRE(points[i - 1].unix_ms < points[i].unix_ms);
}

TEST_CASE("a line is broken where windows are missing, but not where one is late", "[report]") {
    Timeline timeline(1000);
    for (const std::uint64_t at : {0, 1000, 2999, 4000, 9000, 10000}) timeline.add(at, 1);
    const auto runs = timeline.runs();
    REQUIRE(runs.size() == 2);
    CHECK(runs[0].size() == 4);
    CHECK(runs[1].front().unix_ms == 9000);
}

TEST_CASE("a clock that jumps does not break the bounds of a line", "[report]") {
    Timeline timeline(1000);
    for (const std::uint64_t at :
         {std::uint64_t{5'000'000}, std::uint64_t{0}, std::numeric_limits<std::uint64_t>::max()})
        timeline.add(at, 1);
    CHECK(points_of(timeline).size() <= 4);
    CHECK(timeline.values() == 3);
}

TEST_CASE("ticks are round numbers, and not more than requested", "[report]") {
    CHECK(tick_step(1, 4) == Approx(0.5));
    CHECK(tick_step(0.13, 4) == Approx(0.05));
    CHECK(tick_step(1200, 4) == Approx(500));
    CHECK(time_tick_step(60'000, 5) == 15'000);
    CHECK(time_tick_step(3'600'000, 5) == 900'000);
    CHECK(time_tick_step(27 * 3'600'000, 5) == 6 * 3'600'000);
    CHECK(time_tick_step(std::numeric_limits<std::uint64_t>::max(), 5) > 0);
}

TEST_CASE("numbers and times read as people write them", "[report]") {
    CHECK(number_text(999) == "999");
    CHECK(number_text(1'234'567) == "1,234,567");
    CHECK(value_text(0.04123456) == "0.04123");
    CHECK(value_text(0.00006) == "<0.0001");
    CHECK(value_text(1234.4) == "1,234");
    CHECK(duration_text(400) == "0.4 s");
    CHECK(duration_text(75'000) == "75 s");
    CHECK(duration_text(3'725'000) == "1 h 2 min");
    CHECK(utc_text(1'767'323'045'678) == "2026-01-02 03:04:05");
    CHECK(percent_text(0) == "");
    CHECK(percent_text(0.0004) == "<.1");
    CHECK(percent_text(0.031) == "3.1");
    CHECK(percent_text(0.999) == "100");
}

TEST_CASE("a chart has a title, a description, axes with units, spans and a table", "[report]") {
    Timeline timeline(1000);
    for (std::uint64_t i = 0; i < 60; i++) timeline.add(1'767'323'040'000 + i * 1000, double(i));
    Chart chart;
    chart.id = "c";
    chart.title = "Sockets <live>";
    chart.unit = "sockets";
    chart.summary = "From 0 to 59.";
    chart.from_ms = 1'767'323'040'000;
    chart.to_ms = chart.from_ms + 59'000;
    chart.lines = {{"live", "line-a", &timeline}};
    chart.spans = {{"alert", chart.from_ms + 10'000, chart.from_ms + 30'000, "alert 1"}};
    Html html;
    write_chart(html, chart);
    const std::string& page = html.page();
    CHECK(fault_of(page).empty());
    CHECK(has(page, "role=\"img\" aria-labelledby=\"c-title c-summary\""));
    CHECK(has(page, "<title id=\"c-title\">Sockets &lt;live&gt;</title>"));
    CHECK(has(page, "<desc id=\"c-summary\">From 0 to 59.</desc>"));
    CHECK(has(page, ">03:04:10</text>"));
    CHECK(has(page, "2026-01-02 UTC"));
    CHECK(has(page, ">sockets</text>"));
    CHECK(has(page, ">alert 1</text>"));
    CHECK(has(page, "alert (shaded)"));
    CHECK(has(page, "<th scope=\"row\">live</th>"));
    CHECK(count_of(page, "<polyline") == 1);
}

TEST_CASE("a chart can have a line without values, and a time that goes backwards", "[report]") {
    const Timeline none(1000);
    Chart chart;
    chart.id = "c";
    chart.lines = {{"nothing", "line-a", &none}};
    chart.from_ms = std::numeric_limits<std::uint64_t>::max();
    chart.to_ms = 0;
    Html backwards;
    write_chart(backwards, chart);
    CHECK(fault_of(backwards.page()).empty());
    std::swap(chart.from_ms, chart.to_ms);
    Html whole;
    write_chart(whole, chart);
    CHECK(fault_of(whole.page()).empty());
    CHECK_FALSE(has(whole.page(), "nan"));
}

TEST_CASE("a heat map shows filled rows and columns, and differences with a sign", "[report]") {
    HeatMap map;
    map.id = "m";
    map.title = "Map";
    map.summary = "Two cells.";
    map.row_axis = "old";
    map.column_axis = "new";
    map.rows = map.columns = {"A", "B", "EMPTY"};
    map.cells.resize(9);
    map.cells[1] = {0.75, 0.25, 0.1};  // A to B
    map.cells[3] = {0.25, 0.75, 0.1};  // B to A
    Html html;
    write_heat_map(html, map);
    const std::string& page = html.page();
    CHECK(fault_of(page).empty());
    CHECK(count_of(page, "role=\"img\"") == 3);
    CHECK_FALSE(has(page, "EMPTY"));
    CHECK(has(page, ">+50</text>"));
    CHECK(has(page,
              ">\u2212"
              "50</text>"));
    CHECK(has(page, "<title>A, B: 75.000 %</title>"));
    CHECK(has(page, "class=\"cell p4\""));
    CHECK(has(page, "class=\"cell n4\""));
    map.every_column = true;
    Html scale;
    write_heat_map(scale, map);
    CHECK(count_of(scale.page(), ">EMPTY</text>") == 3);  // a column in each panel, and no row
    map.has_baseline = false;
    Html alone;
    write_heat_map(alone, map);
    CHECK(count_of(alone.page(), "role=\"img\"") == 1);
}
