// SPDX-License-Identifier: BSD-2-Clause
// The parts of the screen of jsguard watch that show one service, each in as many lines as it is
// given.
#include "watch_service.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "alert_text.hpp"
#include "cells.hpp"
#include "past_alerts.hpp"
#include "quantity_text.hpp"
#include "watch_line.hpp"
#include "window_signal.hpp"

namespace jsguard {
namespace {

// A mean of the last windows that differs by less is the same.
constexpr std::uint64_t steady_nanobits = 50'000'000;
// The verdict, and the sparkline of the entropy, stand where there is room for them.
constexpr std::size_t roomy = 64;
constexpr std::size_t name_width = 12, ratio_width = 12, verdict_width = 19, bar_least = 4;
// Bits at the top of a sparkline: so many times the threshold, or more if a window is over that.
constexpr double spark_thresholds = 2;

// What the sparkline of the entropy shows at least, so that a steady one looks steady.
constexpr double entropy_range_bits = 0.5;

std::string time_of_day(std::uint64_t unix_ms) { return utc_text(unix_ms).substr(11); }

Line alert_line(const ShownService& shown, jsg_signal signal) {
    const jsg_alert_track& alert = shown.service.service.alerts[signal];
    const std::uint64_t since = alert.since_unix_ms;
    const std::string text = fmt::format(
        "port {} ! ALERT {}, {}, peak {:.3f} bits, since {} UTC", shown.service.service.port,
        signal_name(signal),
        duration_text((shown.seen.unix_ms - std::min(since, shown.seen.unix_ms)) / 1000 * 1000),
        bits_of(alert.peak_nanobits), time_of_day(since));
    return {{padded(" " + text, shown.width), Style::banner}};
}

std::string learning_text(const ShownService& shown) {
    const std::uint32_t step_s = step_seconds(shown.seen.config);
    const jsg_service& service = shown.service.service;
    const std::uint64_t learned_s = std::uint64_t{service.learned_steps} * step_s;
    const std::uint64_t learn_s = std::uint64_t{shown.seen.config.learn_steps} * step_s;
    if (learned_s < learn_s || !shown.service.lesson)
        return fmt::format("{} of {} s", learned_s, learn_s);
    return "so far " + lacking_text(*shown.service.lesson, step_s);
}

Line mode_line(const ShownService& shown) {
    const jsg_service& service = shown.service.service;
    std::string text = fmt::format("port {} {}", service.port, mode_name(service.mode));
    if (service.mode == JSG_GUARDING && service.relearning)
        text += ", learning anew: " + learning_text(shown);
    else if (service.mode == JSG_LEARNING || service.mode == JSG_LEARNING_ON)
        text += ": " + learning_text(shown);
    else if (const std::string doubts = doubts_text(service.doubts); !doubts.empty())
        text += ", learned with doubts: " + doubts;
    for (const jsg_signal signal : {JSG_OCCUPANCY, JSG_TRANSITIONS}) {
        if (service.alerts[signal].state == JSG_CONFIRMING)
            text += fmt::format(", {} over for {} of {} windows", signal_name(signal),
                                service.alerts[signal].over_steps, shown.seen.config.confirm_steps);
    }
    return {{padded(" " + text, shown.width), Style::chosen}};
}

Style style_of(const jsg_window& window, jsg_signal signal) {
    if (alert_state(window, signal) == JSG_ALERT) return Style::alarm;
    return verdict(window, signal) == JSG_OVER ? Style::suspect : Style::figure;
}

Line divergence_line(const ShownService& shown, jsg_signal signal) {
    const jsg_service& service = shown.service.service;
    const jsg_window none{};
    const jsg_window& window = shown.service.window ? *shown.service.window : none;
    const Style style = style_of(window, signal);
    Line line = {{padded(signal_name(signal), name_width), Style::heading},
                 {padded(divergence_text(window, service, signal), ratio_width),
                  style == Style::figure ? Style::plain : style}};
    const bool told = shown.width >= roomy;
    const std::size_t taken = name_width + ratio_width + (told ? verdict_width : 0);
    if (shown.width >= taken + bar_least) {
        const double value =
            has_divergence(window, signal) ? bits_of(js_nanobits(window, signal)) : 0;
        line = line + bar(value, bits_of(service.threshold_nanobits[signal]), shown.width - taken,
                          style, shown.glyphs);
    }
    if (told) line.push_back({" " + std::string(verdict_name(verdict(window, signal))), style});
    return cut(line, shown.width);
}

std::span<const jsg_window> newest(std::span<const jsg_window> windows, std::size_t most) {
    return windows.last(std::min(windows.size(), most));
}

// On the left what the top of the sparkline stands for and how long its line is.
Lines history_lines(const ShownService& shown, jsg_signal signal, std::size_t rows) {
    const std::size_t room = shown.width > name_width ? shown.width - name_width : 0;
    const auto windows = newest(shown.history, room);
    double top = spark_thresholds * bits_of(shown.service.service.threshold_nanobits[signal]);
    for (const jsg_window& window : windows)
        top = std::max(top, bits_of(js_nanobits(window, signal)));
    std::vector<Spark> sparks;
    for (const jsg_window& window : windows) {
        Spark spark{{}, style_of(window, signal)};
        if (has_divergence(window, signal) && top > 0)
            spark.value = bits_of(js_nanobits(window, signal)) / top;
        sparks.push_back(spark);
    }
    Lines lines = sparkline(sparks, rows, shown.glyphs);
    const std::string label = rows > 1 ? fmt::format(" 0 to {:.2f}", top) : "";
    const std::uint64_t span_ms = windows.size() * shown.seen.config.step_ns / (second_ns / 1000);
    for (std::size_t row = 0; row < lines.size(); ++row) {
        std::string left = row == 0 ? label : "";
        if (row + 1 == rows) left = " " + duration_text(span_ms);
        lines[row] = cut(Line{{padded(left, name_width), Style::faint}} + lines[row], shown.width);
    }
    return lines;
}

std::string trend_text(const jsg_window& window) {
    const std::uint64_t now = window.state_entropy_nanobits,
                        mean = window.state_entropy_trend_nanobits;
    if (now > mean + steady_nanobits) return "rising";
    return now + steady_nanobits < mean ? "falling" : "steady";
}

// Its lowest column is the least entropy of its windows.
Line entropy_history(const ShownService& shown, std::size_t width) {
    const auto windows = newest(shown.history, width);
    if (windows.empty()) return {};
    const auto [least, most] =
        std::minmax_element(windows.begin(), windows.end(), [](const auto& a, const auto& b) {
            return a.state_entropy_nanobits < b.state_entropy_nanobits;
        });
    const double bottom = bits_of(least->state_entropy_nanobits);
    const double range =
        std::max(entropy_range_bits, bits_of(most->state_entropy_nanobits) - bottom);
    std::vector<Spark> sparks;
    for (const jsg_window& window : windows)
        sparks.push_back(
            {(bits_of(window.state_entropy_nanobits) - bottom) / range, Style::figure});
    return sparkline(sparks, 1, shown.glyphs).front();
}

std::string past_text(const PastAlert& alert) {
    const std::string signal(signal_name(alert.signal));
    const std::string peak = fmt::format("peak {:.3f} bits", bits_of(alert.peak_nanobits));
    if (!alert.raised_unix_ms)
        return fmt::format("{} until {} UTC, {}", signal, time_of_day(alert.cleared_unix_ms), peak);
    return fmt::format("{} {} to {} UTC, {}, {}", signal, time_of_day(alert.raised_unix_ms),
                       time_of_day(alert.cleared_unix_ms),
                       duration_text(alert.cleared_unix_ms - alert.raised_unix_ms), peak);
}

}  // namespace

Lines state_lines(const ShownService& shown, std::size_t rows) {
    Lines lines;
    for (const jsg_signal signal : {JSG_OCCUPANCY, JSG_TRANSITIONS}) {
        if (shown.service.service.alerts[signal].state == JSG_ALERT && lines.size() < rows)
            lines.push_back(cut(alert_line(shown, signal), shown.width));
    }
    if (lines.empty() && rows > 0) lines.push_back(cut(mode_line(shown), shown.width));
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
    if (!shown.service.window) return {cut(line, shown.width)};
    const jsg_window& window = *shown.service.window;
    line.push_back(
        {fmt::format("{:.3f} bits, {} (mean {:.3f}) ", bits_of(window.state_entropy_nanobits),
                     trend_text(window), bits_of(window.state_entropy_trend_nanobits)),
         Style::plain});
    const std::size_t taken = columns(line);
    if (shown.width >= roomy && shown.width > taken)
        line = line + entropy_history(shown, shown.width - taken);
    return {cut(line, shown.width)};
}

Lines past_alert_lines(const ShownService& shown, std::size_t rows) {
    const auto alerts = past_alerts(shown.history);
    const std::uint64_t known_ms =
        shown.history.size() * shown.seen.config.step_ns / (second_ns / 1000);
    Lines lines;
    for (const PastAlert& alert : alerts) {
        if (lines.size() == rows) break;
        lines.push_back(
            {{padded(lines.empty() ? "past alerts" : "", name_width + 1), Style::heading},
             {past_text(alert), Style::plain}});
    }
    if (lines.empty() && rows > 0)
        lines.push_back({{padded("past alerts", name_width + 1), Style::heading},
                         {"none in the last " + duration_text(known_ms), Style::plain}});
    for (Line& line : lines) line = cut(line, shown.width);
    return lines;
}

}  // namespace jsguard
