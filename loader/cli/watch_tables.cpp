// SPDX-License-Identifier: BSD-2-Clause
// The tables with bars of jsguard watch: TCP states, phases and ages of one service.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "cli/watch_service.hpp"
#include "common/cells.hpp"
#include "common/quantity_text.hpp"

namespace jsguard {
namespace {

// The smallest useful width of a bar. If there is less room, the column with the baseline's share
// is left out, because the mark in the bar shows that share too.
constexpr std::size_t min_bar = 8;
constexpr std::size_t share_width = 5;  // "100 %"

struct Row {
    std::string name;
    std::uint64_t count = 0;
    std::uint64_t usual = 0;  // count in the baseline
    bool has_share = true;
    Style style = Style::figure;
};

struct Table {
    std::string name;     // heading of the first column
    std::string counted;  // heading of the second column
    std::vector<Row> rows;
    bool has_usual = false;
};

double share_of(std::uint64_t count, std::uint64_t total) {
    return total ? static_cast<double>(count) / static_cast<double>(total) : 0;
}

std::string share_text(double share) {
    if (share > 0 && share < 0.005) return "<1 %";
    return fmt::format("{:.0f} %", 100 * share);
}

std::vector<const Row*> largest(const std::vector<Row>& rows, std::size_t max_rows) {
    std::vector<const Row*> kept;
    for (const Row& row : rows) kept.push_back(&row);
    while (kept.size() > max_rows) {
        // Remove the last of the smallest rows. Rows with a count of 0 go first, then the row of
        // idle sockets, which has no share.
        const auto weight = [](const Row* row) {
            return std::tuple(row->count > 0, row->has_share, row->count);
        };
        const auto smallest = std::min_element(
            kept.rbegin(), kept.rend(), [&](auto* a, auto* b) { return weight(a) < weight(b); });
        kept.erase(std::next(smallest).base());
    }
    return kept;
}

struct Widths {
    std::size_t name, count;
    bool usual;
    std::size_t bar;
};

Widths widths_of(const Table& table, const std::vector<const Row*>& rows, std::size_t width) {
    Widths widths{columns(table.name), columns(table.counted), false, 0};
    for (const Row* row : rows) {
        widths.name = std::max(widths.name, columns(row->name));
        widths.count = std::max(widths.count, columns(number_text(row->count)));
    }
    const std::size_t fixed = widths.name + 1 + widths.count + 1 + share_width;
    const std::size_t room = width > fixed + 1 ? width - fixed - 1 : 0;
    widths.usual = table.has_usual && room >= min_bar + share_width + 1;
    widths.bar = room - (widths.usual ? share_width + 1 : 0);
    return widths;
}

Line row_line(const Row& row, const Table& table, const Widths& widths, std::uint64_t total,
              std::uint64_t usual_total, const Glyphs& glyphs) {
    const double share = share_of(row.count, total), usual = share_of(row.usual, usual_total);
    const bool shared = row.has_share;
    Line line = {{padded(row.name, widths.name) + " ", Style::plain},
                 {padded(number_text(row.count), widths.count, true) + " ", Style::plain},
                 {padded(shared ? share_text(share) : "", share_width, true), Style::plain}};
    const bool marked = shared && table.has_usual && usual_total;
    if (widths.usual)
        line.push_back(
            {" " + padded(marked ? share_text(usual) : "", share_width, true), Style::usual});
    if (!shared || !widths.bar) return line;
    line.push_back({" ", Style::plain});
    // Without a usual share there is no mark: the whole bar is new.
    return line + bar(share, marked && row.usual ? std::optional(usual) : std::nullopt, widths.bar,
                      row.style, glyphs);
}

Lines table_lines(const Table& table, std::size_t width, std::size_t rows, const Glyphs& glyphs) {
    std::uint64_t total = 0, usual_total = 0;
    for (const Row& row : table.rows) {
        total += row.has_share ? row.count : 0;
        usual_total += row.usual;
    }
    const auto kept = largest(table.rows, rows > 0 ? rows - 1 : 0);
    const Widths widths = widths_of(table, kept, width);
    Lines lines = {
        {{padded(table.name, widths.name) + " " + padded(table.counted, widths.count, true) + " " +
              padded("share", share_width, true) + (widths.usual ? " usual" : ""),
          Style::heading}}};
    for (const Row* row : kept)
        lines.push_back(row_line(*row, table, widths, total, usual_total, glyphs));
    for (Line& line : lines) line = cut(line, width, glyphs.more);
    return lines;
}

using Entered = std::array<std::uint64_t, JSG_STATES>;

Entered states_entered(const __u32* transitions) {
    Entered entered{};
    for (std::uint32_t from = 0; from < JSG_STATES; ++from) {
        for (std::uint32_t to = 0; to < JSG_STATES; ++to)
            entered[to] += transitions[jsg_transition_cell(from, to)];
    }
    return entered;
}

std::vector<Row> state_rows(const ObservedService& service) {
    const Entered now = states_entered(service.window_counts.transitions);
    const Entered ever = states_entered(service.total_counts.transitions);
    const Entered usual =
        service.baseline ? states_entered(service.baseline->transition_counts) : Entered{};
    std::vector<Row> rows;
    for (std::uint32_t state = 0; state < JSG_STATES; ++state) {
        if (now[state] || ever[state] || usual[state])
            rows.push_back({std::string(state_name(state)), now[state], usual[state]});
    }
    return rows;
}

// The estimated number of sockets. The kernel has multiplied the samples by the sampling weight.
std::uint64_t sockets_in(const ObservedService& service, std::uint32_t phase, std::uint32_t age) {
    return service.step_counts.occupancy[phase * JSG_AGES + age];
}

std::uint64_t usual_in(const ObservedService& service, std::uint32_t phase, std::uint32_t age) {
    return service.baseline ? service.baseline->occupancy_socket_seconds[phase * JSG_AGES + age]
                            : 0;
}

Style style_of(std::uint32_t phase) {
    return phase == JSG_REQUEST_SLOW || phase == JSG_RESPONSE_SLOW || phase == JSG_WAITING
               ? Style::suspect
               : Style::figure;
}

std::vector<Row> age_rows(const ObservedService& service) {
    std::vector<Row> rows;
    for (std::uint32_t age = 0; age < JSG_AGES; ++age) {
        Row row{std::string(age_name(age))};
        for (std::uint32_t phase = 0; phase < JSG_CELL_PHASES; ++phase) {
            row.count += sockets_in(service, phase, age);
            row.usual += usual_in(service, phase, age);
        }
        rows.push_back(row);
    }
    return rows;
}

}  // namespace

std::size_t state_table_rows(const ShownService& shown) {
    return 1 + std::max<std::size_t>(1, state_rows(shown.service).size());
}

Lines state_table(const ShownService& shown, std::size_t width, std::size_t rows) {
    Table table{"state entered", "times", state_rows(shown.service),
                shown.service.baseline.has_value()};
    if (table.rows.empty()) table.rows.push_back({"none yet", 0});
    return table_lines(table, width, rows, shown.glyphs);
}

Lines phase_table(const ShownService& shown, std::size_t width, std::size_t rows) {
    const ObservedService& service = shown.service;
    Table table{"phase", "sockets", {}, service.baseline.has_value()};
    for (std::uint32_t phase = 0; phase < JSG_CELL_PHASES; ++phase) {
        Row row{std::string(phase_name(phase))};
        row.style = style_of(phase);
        for (std::uint32_t age = 0; age < JSG_AGES; ++age) {
            row.count += sockets_in(service, phase, age);
            row.usual += usual_in(service, phase, age);
        }
        table.rows.push_back(row);
    }
    table.rows.push_back({"idle", service.window ? service.window->idle_sockets : 0, 0, false});
    return table_lines(table, width, rows, shown.glyphs);
}

Lines age_table(const ShownService& shown, std::size_t width, std::size_t rows) {
    const Table table{"age of phase", "sockets", age_rows(shown.service),
                      shown.service.baseline.has_value()};
    return table_lines(table, width, rows, shown.glyphs);
}

Lines age_lines(const ShownService& shown) {
    const auto rows = age_rows(shown.service);
    std::uint64_t total = 0;
    for (const Row& row : rows) total += row.count;
    Line line = {{"age of phase ", Style::heading}};
    for (const Row& row : rows) {
        const std::array<Spark, 1> one = {{{share_of(row.count, total), row.style}}};
        line.push_back({" " + row.name + " ", Style::faint});
        line.push_back({number_text(row.count), Style::plain});
        if (row.count) line = line + Line{{" "}} + sparkline(one, 1, shown.glyphs).front();
    }
    return {cut(line, shown.width, shown.glyphs.more)};
}

}  // namespace jsguard
