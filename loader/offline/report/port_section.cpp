// SPDX-License-Identifier: BSD-2-Clause
// The section of one port: a summary, charts over time, and the cells of the shown windows.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/cells.hpp"
#include "common/quantity_text.hpp"
#include "offline/report/sections.hpp"
#include "offline/report/svg_chart.hpp"

namespace jsguard {
namespace {

constexpr std::size_t alerts_listed = 100;
constexpr std::size_t cells_listed = 10;

std::string bits_text(double bits) { return fmt::format("{:.3f}", bits); }

std::string alert_name(std::size_t index) { return fmt::format("alert {}", index + 1); }

// The alerts in the order of their beginning.
std::vector<AlertSpan> alerts_of(const PortHistory& history) {
    std::vector<AlertSpan> alerts = history.alerts.spans;
    std::stable_sort(alerts.begin(), alerts.end(),
                     [](const AlertSpan& a, const AlertSpan& b) { return a.from_ms < b.from_ms; });
    return alerts;
}

// --- summary ------------------------------------------------------------------------------------

std::string alerts_text(const PortHistory& history) {
    const std::uint64_t count = history.alerts.spans.size() + history.alerts.left_out;
    if (count == 0) return "No alert was up.";
    const auto& spans = history.alerts.spans;
    const auto peak = std::max_element(
        spans.begin(), spans.end(),
        [](const AlertSpan& a, const AlertSpan& b) { return a.peak_bits < b.peak_bits; });
    const auto open = std::count_if(spans.begin(), spans.end(),
                                    [](const AlertSpan& alert) { return alert.still_up; });
    std::string text = fmt::format("{} up; the highest peak was {} bits ({}).",
                                   counted_apart(count, "alert was", "alerts were"),
                                   bits_text(peak->peak_bits), signal_name(peak->signal));
    if (open > 0)
        text += fmt::format(" {} still up at the end.",
                            counted_apart(static_cast<std::uint64_t>(open), "is", "are"));
    return text;
}

std::string missing_text(const PortHistory& history) {
    if (history.missing == 0) return "No window is missing.";
    return fmt::format(
        "{} missing, in {}.", counted_apart(history.missing, "window is", "windows are"),
        counted_apart(history.gaps.spans.size() + history.gaps.left_out, "gap", "gaps"));
}

std::string learning_text(const PortHistory& history) {
    const std::uint64_t learning = history.windows - history.monitored;
    std::string text =
        learning == 0 ? "The service was monitored all the time."
                      : fmt::format("In {} of the windows the service was learning what is normal.",
                                    number_text(learning));
    if (history.baselines > 0)
        text += fmt::format(" {} into force.", counted_apart(history.baselines, "new baseline came",
                                                             "new baselines came"));
    if (history.relearnings > 0)
        text += fmt::format(" It was asked to relearn {}.",
                            counted_apart(history.relearnings, "time", "times"));
    if (history.ends > 0)
        text += fmt::format(" The service ended {} because its port was no longer used.",
                            counted_apart(history.ends, "time", "times"));
    return text;
}

void write_words(Html& html, const PortHistory& history) {
    html.leaf(
        "p",
        fmt::format("{} from {} to {} UTC ({}). {}",
                    counted_apart(history.windows, "window", "windows"), utc_text(history.first_ms),
                    utc_text(history.last_ms),
                    duration_text(history.last_ms - std::min(history.first_ms, history.last_ms)),
                    alerts_text(history)),
        {{"class", "lead"}});
    html.leaf("p", learning_text(history) + " " + missing_text(history));
}

void write_alerts(Html& html, const PortHistory& history) {
    const std::vector<AlertSpan> alerts = alerts_of(history);
    if (alerts.empty()) return;
    std::vector<std::vector<std::string>> rows;
    for (std::size_t i = 0; i < std::min(alerts.size(), alerts_listed); i++) {
        const AlertSpan& alert = alerts[i];
        rows.push_back({alert_name(i), std::string(signal_name(alert.signal)),
                        alert.was_up ? "before the recording" : utc_text(alert.from_ms),
                        alert.still_up ? "still up at the end" : utc_text(alert.to_ms),
                        duration_text(round_to_seconds(
                            (alert.to_ms - std::min(alert.from_ms, alert.to_ms)) * millisecond_ns)),
                        bits_text(alert.peak_bits)});
    }
    write_table(html, "Alerts",
                {"alert", "signal", "raised (UTC)", "cleared (UTC)", "up for", "peak, bits"}, rows);
    const std::uint64_t more = alerts.size() - rows.size() + history.alerts.left_out;
    if (more > 0) html.leaf("p", fmt::format("{} later alerts are not listed.", number_text(more)));
}

// --- over time ---------------------------------------------------------------------------------

// The spans that are shaded in every chart: learning and gaps.
std::vector<ChartSpan> quiet_spans(const PortHistory& history) {
    std::vector<ChartSpan> spans;
    for (const TimeSpan& span : history.learning.spans)
        spans.push_back({"learning", span.from_ms, span.to_ms, "learning"});
    for (const TimeSpan& span : history.gaps.spans)
        spans.push_back({"gap", span.from_ms, span.to_ms, "gap"});
    return spans;
}

// All shaded spans. signal: shade only the alerts of this signal; none: of both signals.
std::vector<ChartSpan> spans_of(const PortHistory& history, std::optional<jsg_signal> signal = {}) {
    std::vector<ChartSpan> spans = quiet_spans(history);
    const std::vector<AlertSpan> alerts = alerts_of(history);
    for (std::size_t i = 0; i < alerts.size(); i++) {
        if (!signal || alerts[i].signal == *signal)
            spans.push_back({"alert", alerts[i].from_ms, alerts[i].to_ms, alert_name(i)});
    }
    std::stable_sort(spans.begin(), spans.end(),
                     [](const ChartSpan& a, const ChartSpan& b) { return a.from_ms < b.from_ms; });
    return spans;
}

std::string range_text(const Timeline& values, std::string_view unit) {
    if (values.empty()) return "no value";
    return fmt::format("{} to {} {}", value_text(values.lowest().value),
                       value_text(values.highest().value), unit);
}

Chart chart_of(const PortHistory& history, std::string id, std::string title, std::string unit) {
    Chart chart;
    chart.id = std::move(id);
    chart.title = std::move(title);
    chart.unit = std::move(unit);
    chart.from_ms = history.first_ms;
    chart.to_ms = history.last_ms;
    return chart;
}

std::string divergence_text(const SignalHistory& signal) {
    const Timeline& values = signal.divergence;
    if (values.empty()) return "No window was judged.";
    std::string text = fmt::format(
        "{}, mean {}; the highest at {} UTC. {} towards an alert.", range_text(values, "bits"),
        value_text(values.mean()), utc_text(values.highest().unix_ms),
        counted_apart(signal.windows_above, "window counted", "windows counted"));
    if (!signal.threshold.empty())
        text += fmt::format(" Threshold {} bits.", value_text(signal.threshold.highest().value));
    return text;
}

void write_divergence(Html& html, const std::string& id, const PortHistory& history,
                      jsg_signal which) {
    const SignalHistory& signal = history.signals[which];
    Chart chart = chart_of(history, fmt::format("{}-{}-divergence", id, signal_name(which)),
                           fmt::format("Divergence of {}", signal_name(which)), "bits");
    chart.summary = divergence_text(signal);
    chart.max_value = 1;
    chart.lines = {
        {"divergence", which == JSG_TRANSITIONS ? "line-a" : "line-b", &signal.divergence},
        {"threshold", "line-threshold", &signal.threshold},
        {"significance bound", "line-significance", &signal.significance, false}};
    chart.spans = spans_of(history, which);
    write_chart(html, chart);
}

void write_over_time(Html& html, const std::string& id, const PortHistory& history) {
    html.leaf("h3", "Divergence over time");
    write_divergence(html, id, history, JSG_TRANSITIONS);
    write_divergence(html, id, history, JSG_OCCUPANCY);

    html.leaf("h3", "Sockets and requests over time");
    Chart sockets = chart_of(history, id + "-sockets", "Sockets", "sockets");
    sockets.summary = fmt::format(
        "Live: {}. Idle: {}. With an open request: {}.", range_text(history.sockets, "sockets"),
        range_text(history.idle, "sockets"), range_text(history.open_requests, "sockets"));
    sockets.lines = {{"live", "line-a", &history.sockets},
                     {"idle", "line-c", &history.idle},
                     {"open requests", "line-b", &history.open_requests}};
    sockets.spans = spans_of(history);
    write_chart(html, sockets);

    Chart open = chart_of(history, id + "-expected", "Open and expected", "sockets");
    open.summary = fmt::format(
        "Mean over each window, without idle sockets: {}. Expected at the rate of exchanges: {}.",
        range_text(history.open, "sockets"), range_text(history.expected, "sockets"));
    open.lines = {{"open, not idle", "line-b", &history.open},
                  {"expected", "line-threshold", &history.expected}};
    open.spans = spans_of(history, JSG_OCCUPANCY);
    write_chart(html, open);

    html.leaf("h3", "Entropy over time");
    Chart entropy = chart_of(history, id + "-entropy", "Entropy", "bits");
    entropy.summary = fmt::format(
        "Entropy of the states entered: {}. Entropy of the transitions: {}.",
        range_text(history.state_entropy, "bits"), range_text(history.transition_entropy, "bits"));
    entropy.lines = {{"transitions", "line-a", &history.transition_entropy},
                     {"states", "line-b", &history.state_entropy},
                     {"trend of states", "line-c", &history.state_entropy_trend}};
    entropy.spans = spans_of(history);
    write_chart(html, entropy);
}

// --- cell by cell ------------------------------------------------------------------------------

std::string shown_text(const ShownWindow& shown, jsg_signal signal) {
    const jsg_window& record = shown.window.record;
    const std::uint32_t js = record.signal[signal].js_nanobits;
    std::string text = fmt::format("Window {}, which ended at {} UTC: ", record.sequence,
                                   utc_text(record.end_unix_ms));
    text += fmt::format("{} bits, verdict \u201c{}\u201d", bits_text(bits_of(js)),
                        verdict_name(record.signal[signal].verdict));
    if (!shown.baseline)
        text += signal == JSG_OCCUPANCY && record.mode == JSG_STILL_LEARNING
                    ? ". Compared with the generic baseline: nothing was learned yet."
                    : ". No baseline was in force.";
    else
        text += fmt::format(". Baseline of {} s.", shown.baseline->learned_s);
    return text;
}

void write_top_cells(Html& html, jsg_signal signal, const std::vector<CellShare>& cells) {
    std::vector<std::size_t> order;
    for (std::size_t cell = 0; cell < cells.size(); cell++) {
        if (cells[cell].window > 0 || cells[cell].baseline > 0) order.push_back(cell);
    }
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return std::pair(cells[a].bits, cells[a].window) >
               std::pair(cells[b].bits, cells[b].window);
    });
    const std::size_t all = order.size();
    order.resize(std::min(all, cells_listed));
    std::vector<std::vector<std::string>> rows;
    for (const std::size_t cell : order) {
        const CellShare& share = cells[cell];
        rows.push_back({cell_name(signal, static_cast<std::uint32_t>(cell)),
                        fmt::format("{:.2f}", 100 * share.baseline),
                        fmt::format("{:.2f}", 100 * share.window),
                        fmt::format("{:+.2f}", 100 * (share.window - share.baseline)),
                        fmt::format("{:.6f}", share.bits)});
    }
    write_table(
        html,
        fmt::format("Cells with the largest parts of the divergence: {} of {}", rows.size(), all),
        {"cell", "baseline, %", "window, %", "difference, points", "part, bits"}, rows);
}

HeatMap transition_map(const std::vector<CellShare>& cells) {
    HeatMap map;
    map.title = "Transitions, old state by new state";
    map.row_axis = "old";
    map.column_axis = "new";
    for (std::uint32_t state = 0; state < JSG_STATES; state++) {
        // A cell's name has both states: "ESTABLISHED->FIN_WAIT1".
        const std::string name = transition_name(jsg_transition_cell(state, state));
        map.rows.push_back(name.substr(0, name.find("->")));
    }
    map.columns = map.rows;
    map.cells = cells;
    return map;
}

HeatMap occupancy_map(const std::vector<CellShare>& cells) {
    HeatMap map;
    map.title = "Occupancy, phase by age";
    map.row_axis = "phase";
    map.column_axis = "age";
    map.every_column = true;
    for (std::uint32_t phase = 0; phase < JSG_CELL_PHASES; phase++) {
        const std::string name = occupancy_name(phase * JSG_AGES);
        map.rows.push_back(name.substr(0, name.rfind(' ')));
    }
    for (std::uint32_t age = 0; age < JSG_AGES; age++) {
        const std::string name = occupancy_name(age);
        map.columns.push_back(name.substr(name.rfind(' ') + 1));
    }
    map.cells.assign(cells.begin(), cells.begin() + JSG_PHASE_CELLS);
    return map;
}

void write_cells(Html& html, const std::string& id, const PortHistory& history, jsg_signal signal) {
    html.leaf("h3", signal == JSG_TRANSITIONS ? "Transitions, baseline beside window"
                                              : "Occupancy by age, baseline beside window");
    const std::optional<ShownWindow>& shown = history.signals[signal].shown;
    if (!shown) {
        html.leaf("p", "This port has no window with the sequence number of --window.");
        return;
    }
    const std::vector<CellShare> cells = cell_shares(*shown, signal);
    std::string text = shown_text(*shown, signal);
    if (cells.empty()) {
        html.leaf("p", text + " All its cells are empty.");
        return;
    }
    if (signal == JSG_OCCUPANCY && cells[JSG_CELL_EXCESS].baseline > 0)
        text += fmt::format(
            " More sockets were open than expected: the excess cell holds {:.0f} % of the "
            "baseline, and "
            "the other cells hold the rest.",
            100 * cells[JSG_CELL_EXCESS].baseline);
    HeatMap map = signal == JSG_TRANSITIONS ? transition_map(cells) : occupancy_map(cells);
    map.id = fmt::format("{}-{}-cells", id, signal_name(signal));
    map.summary = text;
    map.has_baseline =
        std::any_of(cells.begin(), cells.end(), [](const auto& cell) { return cell.baseline > 0; });
    write_heat_map(html, map);
    write_top_cells(html, signal, cells);
}

}  // namespace

void write_port_section(Html& html, const std::string& id, std::uint32_t port,
                        const PortHistory& history, std::span<const Analysis> analyses) {
    const auto section =
        html.open("section", {{"id", id}, {"class", "port"}, {"aria-labelledby", id + "-heading"}});
    html.leaf("h2", fmt::format("Port {}", port), {{"id", id + "-heading"}});
    if (history.windows == 0) {
        html.leaf("p", "No window of this port was recorded.");
        return;
    }
    write_words(html, history);
    write_alerts(html, history);
    write_over_time(html, id, history);
    write_cells(html, id, history, JSG_TRANSITIONS);
    write_cells(html, id, history, JSG_OCCUPANCY);
    if (analyses.empty()) return;
    html.leaf("h3", "Analysis");
    html.leaf(
        "p",
        "Distance of each window in mode monitoring from the mean of the windows without an alert. "
        "Class \u201cnormal\u201d: no alert was up. Class \u201calert\u201d: an alert was up.");
    for (const Analysis& analysis : analyses)
        write_analysis(html, fmt::format("{}-analysis-{}", id, analysis.distribution), analysis,
                       "h4");
}

}  // namespace jsguard
