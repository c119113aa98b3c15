// SPDX-License-Identifier: BSD-2-Clause
// The status of a running detector as text on one screen.
#include "cli/status_text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "cli/status_figures.hpp"
#include "cli/styled_text.hpp"
#include "common/cells.hpp"
#include "common/error.hpp"
#include "common/learning_text.hpp"
#include "common/losses.hpp"
#include "common/quantity_text.hpp"
#include "kernel/decision.h"

namespace jsguard {
namespace {

constexpr std::array both_signals = {JSG_OCCUPANCY, JSG_TRANSITIONS};

using Ports = std::vector<std::uint32_t>;

// This many consecutive ports, or more, are written as a range.
constexpr std::size_t min_run = 3;

// The number of consecutive ports at the beginning of the list.
std::size_t run_of(std::span<const std::uint32_t> ports) {
    std::size_t run = 1;
    while (run < ports.size() && ports[run] == ports[run - 1] + 1) ++run;
    return run;
}

// "80, 443, 27001-27064". The ports must be sorted.
std::string ports_list(std::span<const std::uint32_t> ports) {
    std::vector<std::string> parts;
    while (!ports.empty()) {
        const std::size_t run = run_of(ports), listed = run < min_run ? 1 : run;
        parts.push_back(listed == 1 ? std::to_string(ports[0])
                                    : fmt::format("{}-{}", ports[0], ports[listed - 1]));
        ports = ports.subspan(listed);
    }
    return fmt::format("{}", fmt::join(parts, ", "));
}

std::string ports_text(const Ports& ports) {
    return fmt::format("{} {}", ports.size() == 1 ? "port" : "ports", ports_list(ports));
}

// Collects remarks. Each remark is printed once, with all its ports: the 64 services share few
// different remarks.
class Remarks {
  public:
    void add(std::uint32_t port, const std::string& text) {
        const auto known = std::find_if(remarks_.begin(), remarks_.end(),
                                        [&](const auto& remark) { return remark.first == text; });
        if (known == remarks_.end())
            remarks_.push_back({text, {port}});
        else
            known->second.push_back(port);
    }
    std::vector<std::string> lines() const {
        std::vector<std::string> lines;
        for (const auto& [text, ports] : remarks_)
            lines.push_back(fmt::format("{}: {}", ports_text(ports), text));
        return lines;
    }

  private:
    std::vector<std::pair<std::string, Ports>> remarks_;
};

// The text in lines of at most width characters. All lines except the first are indented.
std::string broken(const std::string& text, std::size_t width) {
    constexpr std::size_t indent = 2;
    constexpr std::size_t min_width = 20;  // a narrower terminal breaks the lines itself
    if (width < min_width) return text;
    std::string lines;
    std::size_t begin = 0;
    while (text.size() - begin > width - (begin ? indent : 0)) {
        const std::size_t room = width - (begin ? indent : 0);
        std::size_t end = text.rfind(' ', begin + room);
        if (end == std::string::npos || end <= begin) end = text.find(' ', begin + room);
        if (end == std::string::npos) break;
        lines += text.substr(begin, end - begin) + "\n" + std::string(indent, ' ');
        begin = end + 1;
    }
    return lines + text.substr(begin);
}

std::string bits_text(std::uint32_t nanobits) { return fmt::format("{:.3f}", bits_of(nanobits)); }

// --- the head --------------------------------------------------------------------------------

std::string config_thresholds_text(const jsg_config& config) {
    const auto text = [](std::uint32_t nanobits) {
        return nanobits ? limit_text({nanobits, false}) : "auto";
    };
    const std::string transitions = text(config.transition_threshold_nanobits);
    const std::string occupancy = text(config.occupancy_threshold_nanobits);
    if (transitions == occupancy) return "threshold " + occupancy;
    return fmt::format("threshold {} of transitions and {} of occupancy", transitions, occupancy);
}

std::string head_text(const Observation& seen) {
    const std::string uptime =
        seen.cost.uptime_ns ? ", up " + duration_text(*seen.cost.uptime_ns / millisecond_ns) : "";
    return fmt::format("jsguard on {}, Linux {}{}", printable(seen.host), printable(seen.kernel),
                       uptime);
}

std::string monitored_text(const jsg_config& config) {
    return fmt::format("monitors {} in {}; window {} s, step {} s, {}",
                       config.monitor_listeners ? "every port with an accepted connection"
                                                : "the ports it was given",
                       config.netns ? fmt::format("network namespace {}", config.netns)
                                    : "every network namespace",
                       config.window_steps * step_seconds(config), step_seconds(config),
                       config_thresholds_text(config));
}

// A detector without --persist ends with its jsguard-load.
constexpr const char* unattended_text =
    "no jsguard-load reads its alerts: they are kept for the next one (jsguard-load --persist)";

std::string alert_text(const Observation& seen, const jsg_service& service, jsg_signal signal) {
    const jsg_alert_track& alert = service.alerts[signal];
    std::string text =
        fmt::format("ALERT port {}: {} above the threshold since {} UTC, {}, peak {} bits",
                    service.port, signal_name(signal), utc_text(alert.since_unix_ms),
                    raised_text(seen, alert), bits_text(alert.peak_nanobits));
    if (alert.clear_steps)
        text +=
            fmt::format("; clearing, {} of {} windows", alert.clear_steps, seen.config.clear_steps);
    return text;
}

// port: the only port that is shown; 0: all.
std::vector<std::string> alert_lines(const Observation& seen, std::uint32_t port) {
    std::vector<std::string> lines;
    for (const ObservedService& service : seen.services) {
        for (const jsg_signal signal : both_signals) {
            if (service.service.alerts[signal].state == JSG_ALERT)
                lines.push_back(alert_text(seen, service.service, signal));
        }
    }
    if (lines.empty())
        lines.push_back(port ? fmt::format("no alert is up for port {}", port) : "no alert is up");
    return lines;
}

// --- the table -------------------------------------------------------------------------------

std::string mode_text(const jsg_config& config, const jsg_service& service) {
    const std::uint32_t step_s = step_seconds(config);
    const auto progress = [&](std::string_view what) {
        return fmt::format("{} {}/{} s", what,
                           std::min(service.learned_steps, config.learn_steps) * step_s,
                           config.learn_steps * step_s);
    };
    if (service.mode == JSG_LEARNING) return progress("learning");
    if (service.mode == JSG_MONITORING && service.relearning) return progress("relearning");
    return std::string(mode_name(service.mode));
}

// "0.034/0.12", or "0.034/~0.31" if the significance bound is above the threshold.
std::string divergence_text(const SignalFigures& figures) {
    if (figures.verdict == JSG_NOTHING_SEEN) return "nothing seen";
    if (!figures.has_divergence) return "-";
    const std::string js = bits_text(figures.js_nanobits) + "/";
    if (!figures.threshold_nanobits) return js + "auto";
    return js + limit_text(limit_of(figures));
}

using Row = std::array<std::string, 7>;

Row row_of(const jsg_config& config, const ObservedService& seen) {
    return {std::to_string(seen.service.port),
            mode_text(config, seen.service),
            divergence_text(figures_of(seen, JSG_OCCUPANCY)),
            divergence_text(figures_of(seen, JSG_TRANSITIONS)),
            std::to_string(seen.service.sockets),
            seen.window ? std::to_string(seen.window->open_requests) : "-",
            alerts_up(seen.service) ? "ALERT" : ""};
}

constexpr std::size_t columns_of_row = std::tuple_size_v<Row>;

// The column widths of a table that fits the terminal.
struct Layout {
    std::array<std::size_t, columns_of_row> widths{};  // 0: left out
    std::size_t gap = 2;

    std::size_t width() const {
        std::size_t sum = 0;
        for (const std::size_t one : widths) sum += one ? one + gap : 0;
        return sum - gap;
    }
};

// A narrow terminal leaves columns out, the least important one first. The columns port, occupancy
// and alert always remain.
Layout layout_of(const std::vector<Row>& rows, std::size_t width) {
    constexpr std::size_t mode = 1, transitions = 3, sockets = 4, requests = 5;
    Layout layout;
    for (const Row& row : rows) {
        for (std::size_t i = 0; i < row.size(); ++i)
            layout.widths[i] = std::max(layout.widths[i], row[i].size());
    }
    const auto is_wide = [&] { return width && layout.width() > width; };
    if (is_wide()) layout.widths[requests] = 0;
    if (is_wide()) layout.widths[sockets] = 0;
    if (is_wide()) layout.gap = 1;
    if (is_wide()) layout.widths[transitions] = 0;
    if (is_wide()) layout.widths[mode] = 0;
    return layout;
}

// Aligns numbers to the right, words to the left.
std::string table(const std::vector<Row>& rows, std::size_t width) {
    constexpr std::array align_right = {true, false, false, false, true, true, false};
    const Layout layout = layout_of(rows, width);
    std::string text;
    for (const Row& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            if (!layout.widths[i]) continue;
            line += align_right[i] ? fmt::format("{:>{}}", row[i], layout.widths[i])
                                   : fmt::format("{:<{}}", row[i], layout.widths[i]);
            line += std::string(layout.gap, ' ');
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    }
    return text;
}

// Merges the rows of consecutive ports that have the same text.
std::vector<Row> merged_rows(const std::vector<Row>& rows, std::span<const std::uint32_t> ports) {
    const auto same = [](const Row& one, const Row& other) {
        return std::equal(one.begin() + 1, one.end(), other.begin() + 1);
    };
    std::vector<Row> kept;
    for (std::size_t at = 0; at < rows.size();) {
        std::size_t alike = 1;
        while (at + alike < rows.size() && same(rows[at], rows[at + alike])) ++alike;
        const std::size_t run = run_of(ports.subspan(at, alike)), merged = run < min_run ? 1 : run;
        kept.push_back(rows[at]);
        kept.back()[0] = ports_list(ports.subspan(at, merged));
        at += merged;
    }
    return kept;
}

std::string services_text(const Observation& seen, std::size_t width) {
    if (seen.services.empty()) return "No port is monitored: none has had a connection yet.\n";
    std::vector<Row> rows;
    Ports ports;
    for (const ObservedService& service : seen.services) {
        rows.push_back(row_of(seen.config, service));
        ports.push_back(service.service.port);
    }
    rows = merged_rows(rows, ports);
    rows.insert(rows.begin(),
                {"PORT", "MODE", "OCCUPANCY", "TRANSITIONS", "SOCKETS", "REQUESTS", ""});
    return table(rows, width);
}

// --- remarks --------------------------------------------------------------------------------

// Why the verdict on a signal is not "normal". Ports with the same reason get the same text.
std::string verdict_text(const Observation& seen, const ObservedService& service,
                         jsg_signal signal) {
    const SignalFigures figures = figures_of(service, signal);
    switch (figures.verdict) {
        case JSG_NOT_ENOUGH_TRAFFIC:
            if (figures.js_nanobits > figures.threshold_nanobits)
                return "above the threshold, but within the significance bound";
            return fmt::format("under {} in the window: too few for an alert",
                               seen.config.min_transitions);
        case JSG_MOVING:
            return "more open than expected, but they move, so they are being served";
        case JSG_EXCESS_ONLY:
            return "more open than expected, but of normal phases and ages, or within the "
                   "significance bound";
        case JSG_NO_EXCESS:
            return "above the threshold, but not more open than expected";
        case JSG_UNBALANCED:
            return "above the threshold, but connections mostly open or mostly close: no alert";
        case JSG_ABOVE:
            if (service.service.alerts[signal].state == JSG_ALERT) return {};
            return fmt::format(
                "above the threshold, {} of the {} windows in a row that raise an alert",
                service.service.alerts[signal].above_steps, seen.config.confirm_steps);
        default:
            return {};
    }
}

void remark_on_learning(Remarks& remarks, const Observation& seen, const ObservedService& service) {
    const std::uint32_t port = service.service.port;
    if (is_lacking(seen, service)) {
        const std::string lacking =
            lacking_text(*service.pending_baseline, step_seconds(seen.config));
        remarks.add(port, fmt::format("still learning, has seen {}",
                                      lacking.empty()
                                          ? "enough traffic, but a signal was above its threshold"
                                          : "only " + lacking));
    }
    if (service.service.relearning && alerts_up(service.service))
        remarks.add(port, "relearning waits until its alert has cleared");
}

void remark_on_baseline(Remarks& remarks, const jsg_service& service) {
    if (const std::string warnings = warnings_text(service.warnings); !warnings.empty())
        remarks.add(
            service.port,
            fmt::format("its baseline looks like an attack: {} (if there was an attack, end it, "
                        "then run jsguard baseline relearn)",
                        warnings));
    if (service.warnings & JSG_WARN_UNBALANCED)
        remarks.add(service.port,
                    "no transitions alert: while it learned, connections mostly opened, or mostly "
                    "closed (run jsguard baseline relearn when opens and closes balance)");
}

Remarks remarks_on(const Observation& seen) {
    Remarks remarks;
    for (const jsg_signal signal : both_signals) {
        for (const ObservedService& service : seen.services) {
            if (const std::string why = verdict_text(seen, service, signal); !why.empty())
                remarks.add(service.service.port, fmt::format("{} {}", signal_name(signal), why));
        }
    }
    for (const ObservedService& service : seen.services) {
        if (service.window && service.window->full_queues)
            remarks.add(service.service.port, "an accept queue is full");
        remark_on_learning(remarks, seen, service);
        remark_on_baseline(remarks, service.service);
    }
    return remarks;
}

// --- the detector itself ---------------------------------------------------------------------

std::string totals_text(const Observation& seen) {
    return fmt::format("since the start: {} windows, {} transitions, {}; {}",
                       number_text(seen.stats.windows), number_text(seen.stats.transitions),
                       counted(seen.stats.alerts, "alert", "alerts"), lost_text(seen.stats));
}

std::string cost_text(const Cost& cost) {
    const std::string longest =
        fmt::format("longest tick {:.0f} us", static_cast<double>(cost.ticks.longest_ns) / 1e3);
    const std::string known = known_cost_text(cost);
    if (known.empty())
        return fmt::format("cost: {}; the rest is unknown without CAP_SYS_ADMIN", longest);
    const std::string text = fmt::format("cost: {}, {}; ", known, longest);
    if (const auto run_ns = mean_transition_run_ns(cost))
        return text + fmt::format("{:.0f} ns a transition", *run_ns);
    return text +
           "the time per transition is not measured (sysctl kernel.bpf_stats_enabled=1 turns that "
           "on, at a small cost)";
}

constexpr std::string_view legend =
    "(OCCUPANCY, TRANSITIONS: divergence from normal/threshold, in bits; ~: the significance "
    "bound, where it is larger)";

}  // namespace

std::string status_text(const Observation& seen, const StatusStyle& style) {
    std::string text;
    const auto add = [&](const std::string& line) { text += broken(line, style.width) + "\n"; };
    add(head_text(seen));
    add(monitored_text(seen.config));
    if (seen.attended == false && !has_ended(seen)) add(unattended_text);
    const std::vector<std::string> alerts = alert_lines(seen, style.port);
    for (const std::string& line : alerts) add(line);
    text += "\n" + services_text(seen, style.width);
    if (!seen.services.empty()) add(std::string(legend));
    text += "\n";
    for (const std::string& line : remarks_on(seen).lines()) add(line);
    add(totals_text(seen));
    add(cost_text(seen.cost));
    // Repeat alerts that would scroll off the screen. The shell prompt needs a line too.
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    if (style.height && lines + 1 > style.height && alerts_up(seen)) {
        text += "\n";
        for (const std::string& line : alerts) add(line);
    }
    text.pop_back();
    if (!style.colour) return text;
    constexpr std::string_view word = "ALERT";
    const std::string red = in_red(word);
    for (std::size_t at = text.find(word); at != std::string::npos;
         at = text.find(word, at + red.size()))
        text.replace(at, word.size(), red);
    return text;
}

std::string raised_text(const Observation& seen, const jsg_alert_track& alert) {
    return fmt::format("raised {} ago", duration_text(round_to_seconds(age_ns(seen, alert))));
}

std::string known_cost_text(const Cost& cost) {
    const auto share = tick_cpu_share(cost);
    if (!share || !cost.map_bytes) return {};
    return fmt::format("ticks {:.2f} % of one CPU, maps {}", 100 * *share,
                       bytes_text(*cost.map_bytes));
}

std::string not_monitored_text(const Observation& seen, std::uint32_t port) {
    Ports ports;
    for (const ObservedService& service : seen.services) ports.push_back(service.service.port);
    return fmt::format(
        "port {} is not monitored; {}", port,
        ports.empty() ? "none is"
                      : fmt::format("{} {}", ports_text(ports), ports.size() == 1 ? "is" : "are"));
}

void keep_port(Observation& seen, std::uint32_t port) {
    const std::string refusal = not_monitored_text(seen, port);
    std::erase_if(seen.services,
                  [&](const ObservedService& service) { return service.service.port != port; });
    if (seen.services.empty()) throw Error(ExitCode::runtime, refusal);
}

}  // namespace jsguard
