// SPDX-License-Identifier: BSD-2-Clause
// The parts of the screen of jsguard watch that show one service, each in a given number of lines.
#include "cli/watch_service.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "cli/status_figures.hpp"
#include "cli/status_text.hpp"
#include "cli/watch_line.hpp"
#include "common/cells.hpp"
#include "common/learning_text.hpp"
#include "common/quantity_text.hpp"

namespace jsguard {
namespace {

// The entropy is "steady" if it differs from the mean of the last windows by less than this.
constexpr std::uint64_t steady_nanobits = 50'000'000;
// From this width on, there is room for the verdict and for the sparkline of the entropy.
constexpr std::size_t roomy = 64;
// From this width on, the line of an alert has its full text. Narrower lines leave words out.
constexpr std::size_t roomy_for_alert = 96;
constexpr std::size_t name_width = 12, ratio_width = 12, verdict_width = 19, min_bar = 4;
// The top of a sparkline in multiples of the threshold. It is higher if a window is above that.
constexpr double spark_thresholds = 2;

// The shortest time that a full sparkline of divergences covers.
constexpr std::uint64_t min_history_ns = 180 * second_ns;

// The smallest range of the entropy's sparkline, so that a steady entropy looks steady.
constexpr double min_entropy_range_bits = 0.5;

std::string time_of_day(std::uint64_t unix_ms) { return utc_text(unix_ms).substr(11); }

// Text in a coloured line that is as wide as the screen.
Line bar_across(const ShownService& shown, const std::string& text, Style style) {
    const Line line = cut({{" " + text, style}}, shown.width, shown.glyphs.more);
    return line + Line{{std::string(shown.width - columns(line), ' '), style}};
}

Line alert_line(const ShownService& shown, jsg_signal signal) {
    const jsg_alert_track& alert = shown.service.service.alerts[signal];
    const bool is_roomy = shown.width >= roomy_for_alert;
    const std::string text = fmt::format(
        "{}{} ! ALERT {}, peak {:.3f}{}, {}, above since {} UTC", is_roomy ? "port " : "",
        shown.service.service.port, signal_name(signal), bits_of(alert.peak_nanobits),
        is_roomy ? " bits" : "", raised_text(shown.seen, alert), time_of_day(alert.since_unix_ms));
    return bar_across(shown, text, Style::banner);
}

std::string learning_text(const ShownService& shown) {
    const std::uint32_t step_s = step_seconds(shown.seen.config);
    const jsg_service& service = shown.service.service;
    const std::uint64_t learned_s = std::uint64_t{service.learned_steps} * step_s;
    const std::uint64_t learn_s = std::uint64_t{shown.seen.config.learn_steps} * step_s;
    if (learned_s < learn_s || !shown.service.pending_baseline)
        return fmt::format("{} of {} s", learned_s, learn_s);
    return "so far " + lacking_text(*shown.service.pending_baseline, step_s);
}

Line mode_line(const ShownService& shown) {
    const jsg_service& service = shown.service.service;
    std::string text = fmt::format("port {} {}", service.port, mode_name(service.mode));
    if (service.mode == JSG_MONITORING && service.relearning)
        text += ", relearning: " + learning_text(shown);
    else if (service.mode == JSG_LEARNING || service.mode == JSG_STILL_LEARNING)
        text += ": " + learning_text(shown);
    else if (const std::string warnings = warnings_text(service.warnings); !warnings.empty())
        text += ", learned with warnings: " + warnings;
    for (const jsg_signal signal : {JSG_OCCUPANCY, JSG_TRANSITIONS}) {
        if (service.alerts[signal].state == JSG_CONFIRMING)
            text +=
                fmt::format(", {} above for {} of {} windows", signal_name(signal),
                            service.alerts[signal].above_steps, shown.seen.config.confirm_steps);
    }
    return bar_across(shown, text, Style::chosen);
}

Style style_of(const jsg_window& window, jsg_signal signal) {
    if (window.signal[signal].alert == JSG_ALERT) return Style::alarm;
    return window.signal[signal].verdict == JSG_ABOVE ? Style::suspect : Style::figure;
}

Line divergence_line(const ShownService& shown, jsg_signal signal) {
    const jsg_service& service = shown.service.service;
    const jsg_window none{};
    const jsg_window& window = shown.service.window ? *shown.service.window : none;
    const Style style = style_of(window, signal);
    Line line = {{padded(signal_name(signal), name_width), Style::heading},
                 {padded(divergence_text(window, service, signal), ratio_width),
                  style == Style::figure ? Style::plain : style}};
    const bool with_verdict = shown.width >= roomy;
    const std::size_t taken = name_width + ratio_width + (with_verdict ? verdict_width : 0);
    if (shown.width >= taken + min_bar) {
        const double value =
            is_judged(window.signal[signal]) ? bits_of(window.signal[signal].js_nanobits) : 0;
        const Limit limit = limit_of(figures_of(service, &window, signal));
        line = line + bar(value, bits_of(limit.nanobits), shown.width - taken, style, shown.glyphs);
    }
    if (with_verdict)
        line.push_back({" " + std::string(verdict_name(window.signal[signal].verdict)), style});
    return cut(line, shown.width, shown.glyphs.more);
}

// The number of windows in each spark, so that all sparks together cover min_history_ns.
std::uint64_t windows_per_spark(const ShownService& shown, std::size_t sparks) {
    const std::uint64_t sparks_ns = std::max<std::uint64_t>(1, sparks) * shown.seen.config.step_ns;
    return (min_history_ns + sparks_ns - 1) / sparks_ns;
}

// Style is not ordered by severity.
Style more_severe(Style one, Style other) {
    for (const Style style : {Style::alarm, Style::suspect}) {
        if (one == style || other == style) return style;
    }
    return one;
}

// Adds a window to a spark. A spark shows the largest divergence of its windows that were judged.
void join(Spark& spark, double bits, const jsg_window& window, jsg_signal signal) {
    if (is_judged(window.signal[signal])) spark.value = std::max(spark.value.value_or(0), bits);
    spark.style = more_severe(spark.style, style_of(window, signal));
}

std::span<const jsg_window> newest(std::span<const jsg_window> windows, std::size_t max_windows) {
    return windows.last(std::min(windows.size(), max_windows));
}

// The label on the left names the range of the sparkline and the time that it covers.
Lines history_lines(const ShownService& shown, jsg_signal signal, std::size_t rows) {
    const std::size_t room = shown.width > name_width ? shown.width - name_width : 0;
    const std::uint64_t per_column = windows_per_spark(shown, room);
    const auto column_of = [&](const jsg_window& window) { return window.sequence / per_column; };
    auto windows = newest(shown.history, room * per_column);
    // A column is computed from the window's sequence number. So its windows remain together while
    // it moves to the left.
    while (!windows.empty() && column_of(windows.back()) - column_of(windows.front()) >= room)
        windows = windows.subspan(1);
    double top = spark_thresholds * bits_of(shown.service.service.threshold_nanobits[signal]);
    for (const jsg_window& window : windows) {
        if (is_judged(window.signal[signal]))
            top = std::max(top, bits_of(window.signal[signal].js_nanobits));
    }
    std::vector<Spark> sparks;
    const jsg_window* before = nullptr;
    for (const jsg_window& window : windows) {
        if (!before || column_of(*before) != column_of(window))
            sparks.push_back({{}, Style::figure});
        if (top > 0)
            join(sparks.back(), bits_of(window.signal[signal].js_nanobits) / top, window, signal);
        before = &window;
    }
    Lines lines = sparkline(sparks, rows, shown.glyphs);
    const std::string label = rows > 1 ? fmt::format(" 0 to {:.2f}", top) : "";
    const std::uint64_t span_ms = windows.size() * shown.seen.config.step_ns / millisecond_ns;
    for (std::size_t row = 0; row < lines.size(); ++row) {
        std::string left = row == 0 ? label : "";
        if (row + 1 == rows) left = " " + duration_text(span_ms);
        lines[row] = cut(Line{{padded(left, name_width), Style::faint}} + lines[row], shown.width,
                         shown.glyphs.more);
    }
    return lines;
}

std::string trend_text(const jsg_window& window) {
    const std::uint64_t now = window.state_entropy_nanobits,
                        mean = window.state_entropy_trend_nanobits;
    if (now > mean + steady_nanobits) return "rising";
    return now + steady_nanobits < mean ? "falling" : "steady";
}

// The bottom of the sparkline is the lowest entropy of the windows.
Line entropy_history(const ShownService& shown, std::size_t width) {
    const auto windows = newest(shown.history, width);
    if (windows.empty()) return {};
    const auto [lowest, highest] =
        std::minmax_element(windows.begin(), windows.end(), [](const auto& a, const auto& b) {
            return a.state_entropy_nanobits < b.state_entropy_nanobits;
        });
    const double bottom = bits_of(lowest->state_entropy_nanobits);
    const double range =
        std::max(min_entropy_range_bits, bits_of(highest->state_entropy_nanobits) - bottom);
    std::vector<Spark> sparks;
    for (const jsg_window& window : windows)
        sparks.push_back(
            {(bits_of(window.state_entropy_nanobits) - bottom) / range, Style::figure});
    return sparkline(sparks, 1, shown.glyphs).front();
}

void add_past(std::span<const jsg_window> windows, jsg_signal signal,
              std::vector<PastAlert>& alerts) {
    std::optional<PastAlert> up;
    std::uint64_t raised_ns = 0;
    for (const jsg_window& window : windows) {
        const bool is_up = window.signal[signal].alert == JSG_ALERT;
        if (is_up && !up) {
            up = {signal, window.end_unix_ms, &window == &windows.front(), 0, 0, 0};
            raised_ns = window.end_ns;
        }
        if (is_up && window.signal[signal].verdict == JSG_ABOVE)
            up->peak_nanobits = std::max(up->peak_nanobits, window.signal[signal].js_nanobits);
        if (is_up || !up) continue;
        up->cleared_unix_ms = window.end_unix_ms;
        if (!up->is_older) up->duration_ns = window.end_ns - raised_ns;
        alerts.push_back(*up);
        up.reset();
    }
}

std::string past_text(const PastAlert& alert) {
    const std::string peak =
        fmt::format("{} peak {:.3f}", signal_name(alert.signal), bits_of(alert.peak_nanobits));
    const std::string raised = time_of_day(alert.raised_unix_ms);
    if (alert.is_older)
        return fmt::format("{}, raised before {}, cleared {} UTC", peak, raised,
                           time_of_day(alert.cleared_unix_ms));
    return fmt::format("{}, raised {} UTC, cleared {} later", peak, raised,
                       duration_text(round_to_seconds(alert.duration_ns)));
}

}  // namespace

Lines state_lines(const ShownService& shown, std::size_t rows) {
    Lines lines;
    for (const jsg_signal signal : {JSG_OCCUPANCY, JSG_TRANSITIONS}) {
        if (shown.service.service.alerts[signal].state == JSG_ALERT && lines.size() < rows)
            lines.push_back(alert_line(shown, signal));
    }
    if (lines.empty() && rows > 0) lines.push_back(mode_line(shown));
    return lines;
}

Lines divergence_lines(const ShownService& shown, jsg_signal signal, std::size_t rows) {
    Lines lines = {divergence_line(shown, signal)};
    for (const Line& line : history_lines(shown, signal, rows > 0 ? rows - 1 : 0))
        lines.push_back(line);
    return lines;
}

Lines entropy_lines(const ShownService& shown) {
    Line line = {{padded("entropy", name_width), Style::heading}};
    if (!shown.service.window) return {cut(line, shown.width, shown.glyphs.more)};
    const jsg_window& window = *shown.service.window;
    line.push_back(
        {fmt::format("{:.3f} bits, {} (mean {:.3f})", bits_of(window.state_entropy_nanobits),
                     trend_text(window), bits_of(window.state_entropy_trend_nanobits)),
         Style::plain});
    const std::size_t taken = columns(line) + 1;
    if (shown.width >= roomy && shown.width > taken)
        line = line + Line{{" "}} + entropy_history(shown, shown.width - taken);
    return {cut(line, shown.width, shown.glyphs.more)};
}

std::vector<PastAlert> past_alerts(std::span<const jsg_window> windows) {
    std::vector<PastAlert> alerts;
    for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY})
        add_past(windows, signal, alerts);
    std::stable_sort(alerts.begin(), alerts.end(), [](const auto& a, const auto& b) {
        return a.cleared_unix_ms > b.cleared_unix_ms;
    });
    return alerts;
}

Lines past_alert_lines(const ShownService& shown, std::size_t rows) {
    const auto alerts = past_alerts(shown.history);
    const std::uint64_t known_ms =
        shown.history.size() * shown.seen.config.step_ns / millisecond_ns;
    Lines lines;
    for (const PastAlert& alert : alerts) {
        if (lines.size() == rows) break;
        lines.push_back({{padded(lines.empty() ? "past alerts" : "", name_width), Style::heading},
                         {past_text(alert), Style::plain}});
    }
    if (lines.empty() && rows > 0)
        lines.push_back({{padded("past alerts", name_width), Style::heading},
                         {"none in the last " + duration_text(known_ms), Style::plain}});
    for (Line& line : lines) line = cut(line, shown.width, shown.glyphs.more);
    return lines;
}

}  // namespace jsguard
