// SPDX-License-Identifier: BSD-2-Clause
// An alert as text for people and as JSON for programs.
#include "common/alert_text.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string_view>

#include "common/cells.hpp"
#include "common/json_fields.hpp"
#include "common/quantity_text.hpp"

namespace jsguard {
namespace {

using nlohmann::ordered_json;

constexpr int json_schema = 2;                // of the alert objects
constexpr std::size_t max_cells_in_line = 3;  // top cells in a line for people

// A share, rounded to a millionth. Finer digits have no meaning.
double share(std::uint32_t ppb) { return std::round(ppb / 1e3) / 1e6; }

double milliseconds_of(std::uint64_t ns) { return std::round(static_cast<double>(ns) / 1e6) / 1e3; }

std::string percent(std::uint32_t ppb) {
    const double value = ppb / 1e7;
    if (value > 0 && value < 0.5) return "<1 %";
    return fmt::format("{:.0f} %", value);
}

std::span<const jsg_top_cell> top_cells(const jsg_alert& alert) {
    return {alert.top, std::min<std::size_t>(alert.top_count, JSG_TOP_CELLS)};
}

std::string open_requests(const jsg_alert& alert) {
    return counted(alert.open_requests, "request open", "requests open");
}

std::span<const jsg_source> top_sources(const jsg_alert& alert) {
    return {alert.sources.top, std::min<std::size_t>(alert.sources.top_count, JSG_TOP_SOURCES)};
}

// "192.0.2.7", or "2001:db8:1:2::/64"
std::string source_text(const jsg_source& source) {
    std::array<std::uint8_t, sizeof(in6_addr)> bytes{};  // the rest of an IPv6 address remains 0
    std::copy(std::begin(source.address), std::end(source.address), bytes.begin());
    std::array<char, INET6_ADDRSTRLEN> text{};
    const bool v4 = source.prefix_bits == 32;
    inet_ntop(v4 ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
    return v4 ? text.data() : fmt::format("{}/{}", text.data(), source.prefix_bits);
}

// What the connections wait for in the first top cell that grew. The words blame neither client nor
// server.
std::string_view stalled_text(const jsg_alert& alert) {
    constexpr std::array<std::string_view, JSG_CELL_PHASES> words = {
        "responses stalled",         "responses stalled", "requests stalled",
        "requests stalled",          "closings stalled",  "half-closed connections",
        "silent connections stalled"};
    for (const jsg_top_cell& top : top_cells(alert)) {
        const std::uint32_t phase = top.cell / JSG_AGES;
        if (top.window_ppb > top.baseline_ppb && phase < words.size()) return words[phase];
    }
    return "connections stalled";
}

// What deviates: the connections that the alert's sources belong to.
std::string_view deviation_text(const jsg_alert& alert) {
    return alert.signal == JSG_OCCUPANCY ? stalled_text(alert) : "connections ended unusually";
}

std::string spread_text(const jsg_sources& sources) {
    if (sources.sockets == 0) return "their sources not known";
    const jsg_source& top = sources.top[0];
    const std::string first = source_text(top);
    if (sources.distinct == 1 && !sources.inexact)
        return fmt::format("all {} from 1 source, {}", sources.sockets, first);
    return fmt::format("{} spread over {}{} sources, {} has {} of them", sources.sockets,
                       sources.inexact ? "about " : "", sources.distinct, first, top.sockets);
}

std::string traffic_text(const jsg_alert& alert) {
    if (alert.signal == JSG_TRANSITIONS) {
        return fmt::format("{} in {} s, {}, {}",
                           counted(alert.transitions, "transition", "transitions"), alert.window_s,
                           open_requests(alert), counted(alert.sockets, "socket", "sockets"));
    }
    return fmt::format("{}, {}, on average {:.0f} not idle ({:.0f} expected)", open_requests(alert),
                       counted(alert.sockets, "socket", "sockets"),
                       thousandths(alert.open_millisockets),
                       thousandths(alert.expected_millisockets));
}

std::string cell_text(jsg_signal signal, const jsg_top_cell& top) {
    const std::string name = cell_name(signal, top.cell);
    // Its shares mean nothing to people, because they are computed from the expected number.
    if (signal == JSG_OCCUPANCY && top.cell == JSG_CELL_EXCESS) return name;
    return fmt::format("{}: {} of the window, {} of the baseline", name, percent(top.window_ppb),
                       percent(top.baseline_ppb));
}

std::string netns_text(const jsg_alert& alert) {
    return alert.netns ? fmt::format(" in network namespace {}", alert.netns) : "";
}

std::string raise_line(const jsg_alert& alert) {
    std::string line = fmt::format(
        "ALERT port {}{}: {} {} bits from normal (threshold {}, significance bound {})", alert.port,
        netns_text(alert), signal_name(alert.signal), small_bits_text(alert.js_nanobits),
        bits_of(alert.threshold_nanobits), small_bits_text(alert.significance_nanobits));
    line += fmt::format(": {}, {}", deviation_text(alert), spread_text(alert.sources));
    line += "; " + traffic_text(alert);
    const auto cells = top_cells(alert);
    for (const jsg_top_cell& top : cells.first(std::min(cells.size(), max_cells_in_line))) {
        line += "; " + cell_text(alert.signal, top);
    }
    return line;
}

std::string clear_line(const jsg_alert& alert) {
    return fmt::format(
        "CLEAR port {}{}: {} after {:.0f} s (peak {} bits), now {} (threshold {}), {}", alert.port,
        netns_text(alert), signal_name(alert.signal), milliseconds_of(alert.duration_ns),
        small_bits_text(alert.peak_nanobits), small_bits_text(alert.js_nanobits),
        bits_of(alert.threshold_nanobits), traffic_text(alert));
}

ordered_json top_cells_json(const jsg_alert& alert) {
    ordered_json cells = ordered_json::array();
    for (const jsg_top_cell& top : top_cells(alert)) {
        cells.push_back({{"cell", cell_name(alert.signal, top.cell)},
                         {"window", share(top.window_ppb)},
                         {"baseline", share(top.baseline_ppb)},
                         {"bits", bits_of(top.nanobits)}});
    }
    return cells;
}

ordered_json top_sources_json(const jsg_alert& alert) {
    ordered_json sources = ordered_json::array();
    for (const jsg_source& source : top_sources(alert))
        sources.push_back({{"addr", source_text(source)}, {"sockets", source.sockets}});
    return sources;
}

double top_source_share(const jsg_sources& sources) {
    if (sources.sockets == 0) return 0;
    return std::round(1e6 * sources.top[0].sockets / sources.sockets) / 1e6;
}

ordered_json details_json(const jsg_alert& alert, const Origin& origin) {
    ordered_json details = {{"schema", json_schema},
                            {"event", event_name(alert.event)},
                            {"id", fmt::format("{}-{}", origin.instance, alert.number)},
                            {"port", alert.port},
                            {"signal", signal_name(alert.signal)},
                            {"js_bits", bits_of(alert.js_nanobits)},
                            {"threshold_bits", bits_of(alert.threshold_nanobits)},
                            {"significance_bits", bits_of(alert.significance_nanobits)},
                            {"window_s", alert.window_s},
                            {"since", utc_timestamp(alert.since_unix_ms)}};
    if (alert.event == JSG_CLEAR) {
        details["duration_s"] = milliseconds_of(alert.duration_ns);
        details["peak_js_bits"] = bits_of(alert.peak_nanobits);
    }
    if (alert.netns) details["netns"] = alert.netns;
    details["transitions"] = alert.transitions;
    details["sockets"] = alert.sockets;
    details["open_requests"] = alert.open_requests;
    details["open_sockets"] = thousandths(alert.open_millisockets);
    details["expected_sockets"] = thousandths(alert.expected_millisockets);
    details["stalled_sockets"] = thousandths(alert.stalled_millisockets);
    details["top_cells"] = top_cells_json(alert);
    details["sources"] = alert.sources.distinct;
    details["sources_inexact"] = alert.sources.inexact != 0;
    details["source_sockets"] = alert.sources.sockets;
    details["top_source_share"] = top_source_share(alert.sources);
    details["top_sources"] = top_sources_json(alert);
    return details;
}

}  // namespace

std::string instance_text(std::uint64_t instance) { return fmt::format("{:012x}", instance); }

std::string alert_id(std::uint64_t instance, std::uint64_t number) {
    return fmt::format("{}-{}", instance_text(instance), number);
}

std::string alert_line(const jsg_alert& alert) {
    return alert.event == JSG_CLEAR ? clear_line(alert) : raise_line(alert);
}

ordered_json alert_object(const jsg_alert& alert, const Origin& origin) {
    return {{"timestamp", utc_timestamp(alert.at_unix_ms)},
            {"event_type", "jsguard"},
            {"hostname", origin.hostname},
            {"jsguard", details_json(alert, origin)}};
}

// A host name may have invalid UTF-8, and that must not lose the alert. json_text() replaces it.
std::string alert_json(const jsg_alert& alert, const Origin& origin) {
    return json_text(alert_object(alert, origin));
}

std::string alert_text(const jsg_alert& alert, const Origin& origin, const AlertForm& form) {
    if (form.json) return alert_json(alert, origin);
    if (!form.timestamp) return alert_line(alert);
    return utc_timestamp(alert.at_unix_ms) + " " + alert_line(alert);
}

}  // namespace jsguard
