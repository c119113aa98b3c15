// SPDX-License-Identifier: BSD-2-Clause
// Reads a recording twice: first for the histories and the mean of the quiet windows, then to
// measure.
#include "offline/report/recording_analysis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "common/error.hpp"
#include "offline/analysis/signal_analysis.hpp"
#include "offline/recording/recording_file.hpp"

namespace jsguard {
namespace {

enum Class : std::size_t { quiet_class, alert_class };

Class class_of(const jsg_window& record) {
    const bool up = record.signal[JSG_TRANSITIONS].alert == JSG_ALERT ||
                    record.signal[JSG_OCCUPANCY].alert == JSG_ALERT;
    return up ? alert_class : quiet_class;
}

// The analysis of both signals of one port: windows with an alert against windows without one.
class PortAnalysis {
  public:
    void learn(const RecordedWindow& window) {
        if (class_of(window.record) != quiet_class) return;
        for (SignalAnalysis& signal : signals_) signal.learn(window);
    }
    void learned() {
        std::erase_if(signals_, [](const SignalAnalysis& signal) { return !signal.has_normal(); });
        for (SignalAnalysis& signal : signals_) signal.learned();
    }
    void measure(const RecordedWindow& window) {
        for (SignalAnalysis& signal : signals_) signal.measure(class_of(window.record), 0, window);
    }
    // Leaves out a distribution that is empty in all quiet windows.
    std::vector<Analysis> take() {
        std::vector<Analysis> analyses;
        for (SignalAnalysis& signal : signals_) {
            Analysis& one = analyses.emplace_back(signal.take());
            if (one.classes[alert_class].samples.empty()) one.classes.pop_back();
        }
        return analyses;
    }

  private:
    static SignalAnalysis begin(jsg_signal signal) { return {signal, {"normal", "alert"}, {}}; }

    std::vector<SignalAnalysis> signals_ = {begin(JSG_TRANSITIONS), begin(JSG_OCCUPANCY)};
};

// Null if the entry is no window, or if its service was not in mode monitoring.
const RecordedWindow* monitored_window(const RecordingEntry& entry) {
    const auto* window = std::get_if<RecordedWindow>(&entry);
    return window && window->record.mode == JSG_MONITORING ? window : nullptr;
}

bool has_window(const Report& report) {
    return std::any_of(report.ports.begin(), report.ports.end(), [](const auto& one) {
        return one.second.history.signals[JSG_TRANSITIONS].shown.has_value();
    });
}

void check(const Report& report, const ReportRequest& request) {
    const std::string tried =
        fmt::format("cannot report {}", printable(request.recording.native()));
    if (request.port && !report.ports.contains(*request.port))
        throw Error(ExitCode::usage, fmt::format("{}: it has no entry of port {}; leave --port out "
                                                 "to see all its ports",
                                                 tried, *request.port));
    if (request.window && !has_window(report))
        throw Error(ExitCode::usage, fmt::format("{}: it has no window with sequence number {}; "
                                                 "leave --window out to see the one at the peak",
                                                 tried, *request.window));
}

}  // namespace

Report read_report(const ReportRequest& request,
                   const std::function<void(std::uint64_t, std::uint64_t)>& progress) {
    std::map<std::uint32_t, PortAnalysis> analyses;
    RecordingReader first(request.recording);
    Report report(first.header(), request.window, request.port);
    std::uint64_t entries = 0;
    for (; const auto entry = first.next(); ++entries) {
        if (progress) progress(first.bytes_read(), 2 * first.bytes());
        report.take(*entry);
        const RecordedWindow* window = monitored_window(*entry);
        if (window && report.ports.contains(window->record.port))
            analyses[window->record.port].learn(*window);
    }
    report.finish();
    report.cut_short = first.cut_lines() > 0;
    check(report, request);

    for (auto& [port, analysis] : analyses) analysis.learned();
    RecordingReader second(request.recording);
    // Read no more entries than the first time: the recording may still grow.
    for (; entries > 0; --entries) {
        const auto entry = second.next();
        if (!entry) break;
        if (progress) progress(second.bytes() + second.bytes_read(), 2 * second.bytes());
        const RecordedWindow* window = monitored_window(*entry);
        if (!window) continue;
        const auto found = analyses.find(window->record.port);
        if (found != analyses.end()) found->second.measure(*window);
    }
    for (auto& [port, analysis] : analyses) report.ports.at(port).analyses = analysis.take();
    return report;
}

}  // namespace jsguard
