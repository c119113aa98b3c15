// SPDX-License-Identifier: BSD-2-Clause
// The table of metric families (name, type, help text, source of the figures), and the text from
// it.
#include "observe/prometheus_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <variant>

#include "common/cells.hpp"
#include "common/clocks.hpp"
#include "common/losses.hpp"
#include "observe/decimal.hpp"

namespace jsguard {
namespace {

// None: the figure is unknown now, so its series is left out.
using Figure = std::optional<Decimal>;

Figure whole(std::uint64_t number) { return Decimal{number}; }
Figure in_nano(std::uint64_t number) { return Decimal{number, nano}; }
Figure in_milli(std::uint64_t number) { return Decimal{number, milli}; }
Figure in_micro(std::uint64_t number) { return Decimal{number, micro}; }
Figure unless_zero(std::uint64_t number) { return number ? whole(number) : Figure{}; }

// --- sources of figures: the detector, a port, a signal, a cell or state ------------------------

using OfDetector = Figure (*)(const Observation&);
using OfPort = Figure (*)(const ObservedService&);
using OfSignal = Figure (*)(const ObservedService&, jsg_signal);

struct OfLoss {
    __u64 jsg_stats::*count;
};

// One series for each index below count; name_of gives the value of its label.
struct OfIndex {
    std::string_view label;
    std::uint32_t count;
    std::string (*name_of)(std::uint32_t index);
    Figure (*figure)(const ObservedService&, std::uint32_t index);
};

using Source = std::variant<OfDetector, OfLoss, OfPort, OfSignal, OfIndex>;

constexpr std::string_view gauge = "gauge";
constexpr std::string_view counter = "counter";

struct Row {
    std::string name;
    std::string_view type;
    std::string help;
    Source source;
};

// A figure of the last window, if there is a window.
template <auto member, Figure (*unit)(std::uint64_t)>
Figure of_window(const ObservedService& seen) {
    return seen.window ? unit((*seen.window).*member) : Figure{};
}

// An occupancy figure of the last window, if the window was judged. While a service learns, its
// windows have no such figures.
template <auto member>
Figure of_occupancy(const ObservedService& seen) {
    const bool judged = seen.window && seen.window->signal[JSG_OCCUPANCY].verdict != JSG_NOT_JUDGED;
    return judged ? in_milli((*seen.window).*member) : Figure{};
}

// An entropy of the last window, if the window has transitions.
template <auto member>
Figure of_transitions(const ObservedService& seen) {
    const bool has_any = seen.window && seen.window->transitions;
    return has_any ? in_nano((*seen.window).*member) : Figure{};
}

// A figure of one signal of the last window, if the signal has a divergence.
template <auto member>
Figure of_signal(const ObservedService& seen, jsg_signal signal) {
    const bool judged = seen.window && has_divergence(seen.window->signal[signal]);
    return judged ? in_nano(seen.window->signal[signal].*member) : Figure{};
}

// How often a state was entered. The sum wraps modulo 2^32, like the counters that it adds up.
std::uint32_t entries(const ObservedService& seen, std::uint32_t state) {
    std::uint32_t sum = 0;
    for (std::uint32_t from = 0; from < JSG_STATES; ++from)
        sum += seen.total_counts.transitions[jsg_transition_cell(from, state)];
    return sum;
}

// --- the table ---------------------------------------------------------------------------------

void add_detector(std::vector<Row>& rows) {
    const auto add = [&rows](std::string name, std::string_view type, std::string help,
                             OfDetector figure) {
        rows.push_back({"jsguard_" + std::move(name), type, std::move(help), figure});
    };
    add("start_time_seconds", gauge, "When the detector was loaded, since 1970.",
        [](const Observation& seen) {
            return seen.cost.start_unix_ms ? in_milli(*seen.cost.start_unix_ms) : Figure{};
        });
    add("last_tick_timestamp_seconds", gauge,
        "When the detector's timer last ended a callback, since 1970; at most a second ago if it "
        "runs.",
        [](const Observation& seen) {
            return in_milli(seen.unix_ms - seen.silent_ns / millisecond_ns);
        });
    add("attended", gauge,
        "1: a jsguard-load reads its alerts; 0: none does, and a persisted one keeps them for the "
        "next.",
        [](const Observation& seen) { return seen.attended ? whole(*seen.attended) : Figure{}; });
    add("window_seconds", gauge, "Length of the sliding window.", [](const Observation& seen) {
        return in_nano(seen.config.step_ns * seen.config.window_steps);
    });
    add("step_seconds", gauge, "How far the window slides at a time.",
        [](const Observation& seen) { return in_nano(seen.config.step_ns); });
    add("windows_total", counter, "Windows closed, of all ports.",
        [](const Observation& seen) { return whole(seen.stats.windows); });
    add("alerts_total", counter, "Alerts raised.",
        [](const Observation& seen) { return whole(seen.stats.alerts); });
    add("verdicts_without_traffic_total", counter,
        "Verdicts that were not given because there was too little traffic, of each signal.",
        [](const Observation& seen) { return whole(seen.stats.not_enough_traffic); });
}

void add_losses(std::vector<Row>& rows) {
    for (const Loss& loss : losses)
        rows.push_back({fmt::format("jsguard_{}_total", loss.name), counter,
                        fmt::format("Lost or left out: {}.", loss.many), OfLoss{loss.count}});
    const auto add = [&rows](std::string name, std::string help, OfDetector figure) {
        rows.push_back({"jsguard_" + std::move(name), counter, std::move(help), figure});
    };
    add("transitions_late_total", "Transitions missed when they happened, and counted later.",
        [](const Observation& seen) { return whole(seen.stats.transitions_late); });
    add("missed_runs_total",
        "Runs of jsg_transition that the kernel skipped, because it ran already on that CPU; of "
        "all ports. Those of monitored ports are counted late.",
        [](const Observation& seen) {
            return seen.cost.missed_runs ? whole(*seen.cost.missed_runs) : Figure{};
        });
}

void add_cost(std::vector<Row>& rows) {
    const auto add = [&rows](std::string name, std::string_view type, std::string help,
                             OfDetector figure) {
        rows.push_back({"jsguard_" + std::move(name), type, std::move(help), figure});
    };
    add("ticks_total", counter,
        fmt::format("Callbacks of the detector's timer, {} a step.", JSG_SERVICES),
        [](const Observation& seen) { return whole(seen.cost.ticks.count); });
    add("tick_seconds_total", counter, "Time that the callbacks of the detector's timer took.",
        [](const Observation& seen) { return in_nano(seen.cost.ticks.total_ns); });
    add("longest_tick_seconds", gauge,
        "Longest callback of the detector's timer, interrupts included.",
        [](const Observation& seen) { return in_nano(seen.cost.ticks.longest_ns); });
    add("transition_runs_total", counter,
        "Runs of jsg_transition, one for nearly each transition of any port, while "
        "kernel.bpf_stats_enabled was 1.",
        [](const Observation& seen) {
            const ProgramCost* program = seen.cost.measured(transition_program);
            return program ? whole(program->runs) : Figure{};
        });
    add("transition_run_seconds_total", counter,
        "Time that jsg_transition took for these, and jsg_destroy for the ends of their sockets.",
        [](const Observation& seen) {
            return seen.cost.measured(transition_program) ? in_nano(seen.cost.transition_run_ns())
                                                          : Figure{};
        });
    add("map_memory_bytes", gauge, "Memory of all maps of the detector.",
        [](const Observation& seen) {
            return seen.cost.map_bytes ? whole(*seen.cost.map_bytes) : Figure{};
        });
}

void add_ports(std::vector<Row>& rows) {
    const auto add = [&rows](std::string name, std::string help, OfPort figure) {
        rows.push_back({"jsguard_" + std::move(name), gauge, std::move(help), figure});
    };
    using W = jsg_window;
    add("monitoring", "1: judged by its own baseline; 0: still learning one.",
        [](const ObservedService& seen) { return whole(seen.service.mode == JSG_MONITORING); });
    add("relearning", "1: monitoring with its old baseline, and learning a new one.",
        [](const ObservedService& seen) { return whole(seen.service.relearning); });
    add("baseline_warning",
        "1: what its baseline was learned from may have been an attack; learn again when all is "
        "well.",
        [](const ObservedService& seen) {
            return seen.service.mode == JSG_MONITORING
                       ? whole((seen.service.warnings & JSG_WARN_LIKE_ATTACK) != 0)
                       : Figure{};
        });
    add("sockets", "Live accepted connections at the last sample, idle ones included.",
        of_window<&W::sockets, whole>);
    add("idle_sockets", "Connections that are answered and between requests, at the last sample.",
        of_window<&W::idle_sockets, whole>);
    add("waiting_sockets",
        "Connections whose client has sent nothing, or sent one piece of data and nothing since, "
        "at "
        "the last sample.",
        of_window<&W::waiting_sockets, whole>);
    add("open_requests", "Connections with a request that is not answered yet, at the last sample.",
        of_window<&W::open_requests, whole>);
    add("open_sockets", "Mean number of connections over the window that are judged.",
        of_occupancy<&W::open_millisockets>);
    add("expected_sockets",
        "How many connections that are judged are to be expected at this rate of exchanges.",
        of_occupancy<&W::expected_millisockets>);
    add("excess_sockets",
        "Open connections that are judged, above twice the expected number, or 0.",
        of_occupancy<&W::excess_millisockets>);
    add("stalled_sockets", "Mean number of stalled connections in the window.",
        of_occupancy<&W::stalled_millisockets>);
    add("stalled_excess_sockets", "Stalled connections above twice their expected number, or 0.",
        of_occupancy<&W::stalled_excess_millisockets>);
    add("full_accept_queues", "Listening sockets whose accept queue was full at the last sample.",
        of_window<&W::full_queues, whole>);
    add("sampled_ratio", "Share of the live connections that the last step sampled.",
        of_window<&W::sampled_ppm, in_micro>);
    add("window_transitions", "Changes of TCP state in the window.",
        of_window<&W::transitions, whole>);
    add("window_exchanges", "Connections accepted and answers seen in the window.",
        of_window<&W::exchanges, whole>);
    add("state_entropy", "Shannon entropy of the TCP states entered in the window, in bits.",
        of_transitions<&W::state_entropy_nanobits>);
    add("state_entropy_trend",
        fmt::format("Mean of jsguard_state_entropy over the last {} windows, in bits.",
                    JSG_TREND_WINDOWS),
        of_window<&W::state_entropy_trend_nanobits, in_nano>);
    add("transition_entropy",
        "Shannon entropy of the pairs of TCP states, old and new, of the window, in bits.",
        of_transitions<&W::transition_entropy_nanobits>);
}

void add_signals(std::vector<Row>& rows) {
    const auto add = [&rows](std::string name, std::string help, OfSignal figure) {
        rows.push_back({"jsguard_" + std::move(name), gauge, std::move(help), figure});
    };
    add("divergence", "Jensen-Shannon divergence of the window from the baseline, in bits.",
        of_signal<&jsg_window_signal::js_nanobits>);
    add("kl_divergence",
        "Kullback-Leibler divergence of the window from the baseline, in bits, at most 32.",
        of_signal<&jsg_window_signal::kl_nanobits>);
    add("threshold", "Divergence that a window must exceed for an alert, in bits.",
        [](const ObservedService& seen, jsg_signal signal) {
            const std::uint64_t threshold = seen.service.threshold_nanobits[signal];
            return threshold ? in_nano(threshold) : Figure{};
        });
    add("significance_bound",
        "Significance bound: the divergence that a normal window exceeds only with the "
        "false-positive probability, in bits; from 1 on no divergence is significant.",
        of_signal<&jsg_window_signal::significance_nanobits>);
    add("alert_up", "1: an alert is raised and not cleared.",
        [](const ObservedService& seen, jsg_signal signal) {
            return whole(seen.service.alerts[signal].state == JSG_ALERT);
        });
    add("alert_start_time_seconds",
        "When the first step above the threshold of the alert that is up ended, since 1970.",
        [](const ObservedService& seen, jsg_signal signal) {
            const jsg_alert_track& alert = seen.service.alerts[signal];
            return alert.state == JSG_ALERT ? in_milli(alert.since_unix_ms) : Figure{};
        });
}

void add_cells(std::vector<Row>& rows) {
    rows.push_back({"jsguard_occupancy_sockets", gauge,
                    "Connections in each phase and age, found by the last step's samples.",
                    OfIndex{"cell", JSG_PHASE_CELLS, occupancy_name,
                            [](const ObservedService& seen, std::uint32_t cell) {
                                return seen.window ? whole(seen.step_counts.occupancy[cell])
                                                   : Figure{};
                            }}});
    rows.push_back({"jsguard_transitions_total", counter,
                    "Changes of TCP state, from one to another, since the port's service entry was "
                    "first used; modulo 2^32.",
                    OfIndex{"cell", JSG_TRANSITION_CELLS, transition_name,
                            [](const ObservedService& seen, std::uint32_t cell) {
                                return unless_zero(seen.total_counts.transitions[cell]);
                            }}});
    rows.push_back(
        {"jsguard_state_entries_total", counter,
         "Entries into each TCP state since the port's service entry was first used; modulo 2^32.",
         OfIndex{"state", JSG_STATES,
                 [](std::uint32_t state) { return std::string(state_name(state)); },
                 [](const ObservedService& seen, std::uint32_t state) {
                     return unless_zero(entries(seen, state));
                 }}});
}

const std::vector<Row>& rows() {
    static const std::vector<Row> all = [] {
        std::vector<Row> made;
        add_detector(made);
        add_losses(made);
        add_cost(made);
        add_ports(made);
        add_signals(made);
        add_cells(made);
        return made;
    }();
    return all;
}

// --- the text ----------------------------------------------------------------------------------

std::string label(std::string_view name, std::string_view value) {
    std::string text = fmt::format("{}=\"", name);
    for (const char c : value) {
        if (c == '\\' || c == '"') text += '\\';
        if (c == '\n')
            text += "\\n";
        else
            text += c;
    }
    return text + '"';
}

// Appends the series of one family to the text.
class SeriesWriter {
  public:
    SeriesWriter(std::string& text, std::string_view name, std::string_view netns)
        : text_(text), name_(name), netns_(netns) {}

    // first, second: complete labels, name="value", or empty.
    void add(std::string_view first, std::string_view second, const Figure& figure) {
        if (!figure) return;
        text_ += name_;
        char before = '{';
        for (const std::string_view shown : {first, second, netns_}) {
            if (shown.empty()) continue;
            text_ += before;
            text_ += shown;
            before = ',';
        }
        if (before == ',') text_ += '}';
        text_ += ' ';
        text_ += text_of(*figure);
        text_ += '\n';
    }

  private:
    std::string& text_;
    std::string_view name_;
    std::string_view netns_;
};

// Writes the series of a family: one function for each kind of source.
struct SourceWriter {
    SeriesWriter series;
    const Observation& seen;
    const std::vector<std::string>& ports;  // labels, in the order of the services

    void operator()(OfDetector figure) { series.add({}, {}, figure(seen)); }
    void operator()(OfLoss loss) { series.add({}, {}, whole(seen.stats.*loss.count)); }
    void operator()(OfPort figure) {
        for (std::size_t i = 0; i < ports.size(); ++i)
            series.add(ports[i], {}, figure(seen.services[i]));
    }
    void operator()(OfSignal figure) {
        std::vector<std::string> signals;
        for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY})
            signals.push_back(label("signal", signal_name(signal)));
        for (std::size_t i = 0; i < ports.size(); ++i) {
            for (const jsg_signal signal : {JSG_TRANSITIONS, JSG_OCCUPANCY})
                series.add(ports[i], signals[signal], figure(seen.services[i], signal));
        }
    }
    void operator()(const OfIndex& source) {
        std::vector<std::string> labels;
        for (std::uint32_t index = 0; index < source.count; ++index)
            labels.push_back(label(source.label, source.name_of(index)));
        for (std::size_t i = 0; i < ports.size(); ++i) {
            for (std::uint32_t index = 0; index < source.count; ++index)
                series.add(ports[i], labels[index], source.figure(seen.services[i], index));
        }
    }
};

std::string_view labels_of(const Source& source) {
    if (std::holds_alternative<OfPort>(source)) return "port";
    if (std::holds_alternative<OfSignal>(source)) return "port, signal";
    if (const auto* of_index = std::get_if<OfIndex>(&source))
        return of_index->label == "cell" ? "port, cell" : "port, state";
    return "";
}

}  // namespace

std::vector<MetricFamily> metric_families() {
    std::vector<MetricFamily> families;
    for (const Row& row : rows())
        families.push_back({row.name, row.type, labels_of(row.source), row.help});
    return families;
}

std::string prometheus_text(const Observation& seen) {
    const std::string netns =
        seen.config.netns ? label("netns", fmt::format("{}", seen.config.netns)) : "";
    std::vector<std::string> ports;
    for (const ObservedService& service : seen.services)
        ports.push_back(label("port", fmt::format("{}", service.service.port)));
    std::string text;
    for (const Row& row : rows()) {
        const std::size_t begin = text.size();
        fmt::format_to(std::back_inserter(text), "# HELP {} {}\n# TYPE {} {}\n", row.name, row.help,
                       row.name, row.type);
        const std::size_t first_series = text.size();
        std::visit(SourceWriter{{text, row.name, netns}, seen, ports}, row.source);
        if (text.size() == first_series) text.resize(begin);
    }
    return text;
}

}  // namespace jsguard
