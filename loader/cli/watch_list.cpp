// SPDX-License-Identifier: BSD-2-Clause
// The list of services on the screen of jsguard watch.
#include "cli/watch_list.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/watch_choice.hpp"
#include "cli/watch_line.hpp"
#include "common/cells.hpp"
#include "common/quantity_text.hpp"

namespace jsguard {
namespace {

using Services = std::vector<const ObservedService*>;

struct Column {
    std::string heading;
    int rank;    // the highest is left out first
    bool right;  // aligned to the right
    std::string (*text)(const ObservedService& one);
};

std::string alerts_of(const ObservedService& one) {
    std::string text;
    for (const jsg_signal signal : {JSG_OCCUPANCY, JSG_TRANSITIONS}) {
        const jsg_alert_state state = one.service.alerts[signal].state;
        if (state == JSG_QUIET) continue;
        if (!text.empty()) text += ", ";
        text += fmt::format("{}{}", state == JSG_ALERT ? "! " : "confirming ", signal_name(signal));
    }
    return text;
}

template <jsg_signal signal>
std::string divergence_of(const ObservedService& one) {
    return one.window ? divergence_text(*one.window, one.service, signal) : "-";
}

const std::vector<Column> all_columns = {
    {"port", 0, true, [](const auto& one) { return std::to_string(one.service.port); }},
    {"mode", 5, false, [](const auto& one) { return std::string(mode_name(one.service.mode)); }},
    {"occupancy", 1, true, divergence_of<JSG_OCCUPANCY>},
    {"transitions", 4, true, divergence_of<JSG_TRANSITIONS>},
    {"sockets", 3, true, [](const auto& one) { return number_text(one.service.sockets); }},
    {"requests", 6, true,
     [](const auto& one) { return number_text(one.window ? one.window->open_requests : 0); }},
    {"alert", 2, false, alerts_of},
};
constexpr std::size_t gap = 2;

std::size_t width_of(const Column& column, const Services& services) {
    std::size_t width = column.heading.size();
    for (const auto* one : services) width = std::max(width, columns(column.text(*one)));
    return width;
}

// The columns that fit. The gap before the first one has room for the sign of the chosen service.
std::vector<Column> fitting(const Services& services, std::size_t width) {
    std::vector<Column> kept = all_columns;
    while (kept.size() > 1) {
        std::size_t needed = 0;
        for (const Column& column : kept) needed += gap + width_of(column, services);
        if (needed <= width) break;
        kept.erase(std::max_element(kept.begin(), kept.end(),
                                    [](const auto& a, const auto& b) { return a.rank < b.rank; }));
    }
    return kept;
}

Style style_of(const ObservedService& one, bool chosen) {
    if (jsg_alert_is_up(&one.service)) return Style::alarm;
    return chosen ? Style::heading : Style::plain;
}

// If only some services are shown, the line ends with "1-4 of 64", even if headings must be cut.
Line heading_line(std::string heading, std::size_t first, std::size_t shown, std::size_t services,
                  std::size_t width, const Glyphs& glyphs) {
    if (shown == services) return {{heading, Style::faint}};
    const std::string part = fmt::format(
        " {}{} of {}", shown > 1 ? fmt::format("{}-", first + 1) : "", first + shown, services);
    if (columns(part) > width) return {{heading, Style::faint}};
    heading.erase(heading.find_last_not_of(' ') + 1);
    const std::size_t room = width - columns(part);
    Line line = cut({{heading, Style::faint}}, room, glyphs.more);
    line.push_back({std::string(room - columns(line), ' ') + part, Style::heading});
    return line;
}

}  // namespace

Lines service_list(const Observation& seen, std::uint32_t port, std::size_t width, std::size_t rows,
                   const Glyphs& glyphs) {
    const Services services = most_alarming_first(seen);
    const std::vector<Column> shown = fitting(services, width);
    std::string heading;
    for (const Column& column : shown)
        heading += std::string(gap, ' ') +
                   padded(column.heading, width_of(column, services), column.right);
    const std::size_t headings = rows > 1 ? 1 : 0;
    const std::size_t room = std::min(rows - headings, services.size());
    const auto chosen = static_cast<std::size_t>(
        std::find_if(services.begin(), services.end(),
                     [&](const auto* one) { return one->service.port == port; }) -
        services.begin());
    const std::size_t first = chosen < services.size() && chosen >= room ? chosen + 1 - room : 0;
    Lines lines;
    if (headings)
        lines.push_back(heading_line(heading, first, room, services.size(), width, glyphs));
    for (std::size_t at = first; at < first + room; ++at) {
        std::string text;
        for (const Column& column : shown)
            text += std::string(gap, ' ') +
                    padded(column.text(*services[at]), width_of(column, services), column.right);
        if (at == chosen) text[0] = '>';
        lines.push_back({{text, style_of(*services[at], at == chosen)}});
    }
    for (Line& line : lines) line = cut(line, width, glyphs.more);
    return lines;
}

}  // namespace jsguard
