// SPDX-License-Identifier: BSD-2-Clause
// The screen of jsguard watch: an observation as lines of styled text.
#include "cli/watch_screen.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "cli/status_figures.hpp"
#include "cli/status_text.hpp"
#include "cli/watch_list.hpp"
#include "common/error.hpp"
#include "common/losses.hpp"
#include "common/quantity_text.hpp"

namespace jsguard {
namespace {

// From this width on, the tables stand side by side.
constexpr std::size_t two_tables = 72;
constexpr std::size_t table_gap = 3;
// Columns that the host name may take on any screen.
constexpr std::size_t min_host = 20;
// From the first height on, the header may have two lines. From the second one on, blank lines
// separate header and footer from the body.
constexpr std::size_t two_line_header_height = 20, airy_height = 30;

// A part of the screen.
struct Part {
    std::size_t max_rows;
    std::function<Lines(std::size_t rows)> draw;
    std::size_t rows = 0;  // the rows that the part has received
};

// Distributes the lines of the screen to the parts.
class LineBudget {
  public:
    explicit LineBudget(std::size_t lines) : left_(lines) {}

    // Gives a part without rows its first rows: min_rows, or none if fewer are left.
    void begin(Part& part, std::size_t min_rows) {
        if (part.rows == 0 && min_rows <= left_) grow(part, min_rows);
    }
    // Extends a part that has rows, up to this many.
    void extend(Part& part, std::size_t rows) {
        if (part.rows > 0) grow(part, rows);
    }
    std::size_t left() const { return left_; }

  private:
    void grow(Part& part, std::size_t rows) {
        const std::size_t wanted = std::min(rows, part.max_rows);
        const std::size_t more = std::min(left_, wanted - std::min(wanted, part.rows));
        part.rows += more;
        left_ -= more;
    }

    std::size_t left_;
};

constexpr std::size_t all = SIZE_MAX;

std::string cost_text(const Cost& cost) {
    const std::string known = known_cost_text(cost);
    return known.empty() ? "cost unknown without CAP_SYS_ADMIN" : known;
}

std::string uptime_text(const Cost& cost) {
    if (!cost.uptime_ns) return "uptime unknown";
    return "up " + duration_text(*cost.uptime_ns / second_ns * 1000);
}

// An item of the header or the footer. It is shown if there is room after the more important items.
struct Item {
    Piece piece;
    int rank = 0;  // the highest is left out first
    // A short form. Items of ranks above brief_rank are left out first; then it replaces the piece.
    std::string brief = {};
    int brief_rank = 0;

    int first_rank() const { return brief.empty() ? rank : brief_rank; }
};
using Items = std::vector<Item>;

// The items in lines of that width. Lines break between items.
Lines flowing(const Items& items, std::size_t width) {
    const std::string space = "   ";
    Lines lines(1);
    for (const Item& item : items) {
        const Piece& piece = item.piece;
        const bool fits = columns(lines.back()) + space.size() + columns(piece.text) <= width;
        if (!lines.back().empty() && !fits) lines.emplace_back();
        if (!lines.back().empty()) lines.back().push_back({space, Style::plain});
        lines.back().push_back(piece);
    }
    return lines;
}

// The items in at most max_lines lines. Items that do not fit are shortened to their brief form, or
// left out. If only one item remains and does not fit, it is cut.
Lines fitting(Items items, const Canvas& canvas, std::size_t max_lines) {
    const auto is_wide = [&](const Line& line) { return columns(line) > canvas.width; };
    for (Lines lines;;) {
        lines = flowing(items, canvas.width);
        if (lines.size() <= max_lines && std::none_of(lines.begin(), lines.end(), is_wide))
            return lines;
        const auto last_ranked = std::max_element(items.begin(), items.end(), [](auto& a, auto& b) {
            return a.first_rank() < b.first_rank();
        });
        if (!last_ranked->brief.empty())
            last_ranked->piece.text = std::exchange(last_ranked->brief, {});
        else if (items.size() > 1)
            items.erase(last_ranked);
        else
            return {cut(lines.front(), canvas.width, glyphs(canvas.unicode).more)};
    }
}

// Replaces other characters than ASCII, so that each character takes one column.
std::string plain_ascii(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x7f; },
        '?');
    return printable(text);
}

// The sum of all kinds of losses.
std::uint64_t losses_sum(const jsg_stats& stats) {
    std::uint64_t sum = 0;
    for (const Loss& loss : losses) sum += stats.*loss.count;
    return sum;
}

Lines header(const Observation& seen, const Canvas& canvas) {
    const std::size_t up = alerts_up(seen);
    const std::string lost = lost_text(seen.stats);
    const std::uint64_t losses = losses_sum(seen.stats);
    // Losses remain visible, at least as a number: the name of the host may be long.
    Items items = {{{counted(up, "alert up", "alerts up"), up ? Style::alarm : Style::plain}, 0},
                   {{counted(seen.services.size(), "port", "ports"), Style::plain}, 3},
                   {{uptime_text(seen.cost), Style::plain}, 4},
                   {{cost_text(seen.cost), Style::faint}, 6}};
    if (losses == 0)
        items.push_back({{lost, Style::faint}, 5});
    else
        items.push_back({{lost, Style::plain}, 1, fmt::format("lost {}", number_text(losses)), 5});
    const Line host =
        cut({{"jsguard " + plain_ascii(seen.host), Style::heading}},
            std::max<std::size_t>(canvas.width / 2, min_host), glyphs(canvas.unicode).more);
    items.insert(items.begin(), {host.front(), 2});
    return fitting(items, canvas, canvas.height < two_line_header_height ? 1 : 2);
}

Line footer(const Watched& watched, const Canvas& canvas) {
    Items items;
    if (watched.paused) items.push_back({{"PAUSED", Style::banner}, 0});
    items.push_back({{"q quit", Style::faint}, 1});
    if (watched.seen.services.size() > 1) {
        items.push_back({{"j/k or arrows service", Style::faint}, 3});
        items.push_back({{"PgUp/PgDn/Home/End", Style::faint}, 4});
    }
    items.push_back({{watched.paused ? "p continue" : "p pause", Style::faint}, 2});
    return fitting(items, canvas, 1).front();
}

Lines side_by_side(const Lines& left, const Lines& right, std::size_t left_width) {
    Lines lines;
    for (std::size_t row = 0; row < std::max(left.size(), right.size()); ++row) {
        Line line = row < left.size() ? left[row] : Line{};
        line.push_back({std::string(left_width + table_gap - columns(line), ' '), Style::plain});
        lines.push_back(row < right.size() ? line + right[row] : line);
    }
    return lines;
}

// The lines between header and footer, if a service is shown in full.
class Body {
  public:
    Body(const Watched& watched, const ShownService& shown)
        : shown_(shown),
          list_{watched.seen.services.size() > 1 ? watched.seen.services.size() + 1 : 0,
                [&watched, &shown](std::size_t rows) {
                    return service_list(watched.seen, watched.port, shown.width, rows,
                                        shown.glyphs);
                }},
          state_{std::max<std::size_t>(1, alerts_up(shown.service.service)),
                 [&shown](std::size_t rows) { return state_lines(shown, rows); }},
          occupancy_(divergence(shown, JSG_OCCUPANCY)),
          transitions_(divergence(shown, JSG_TRANSITIONS)),
          entropy_{1, [&shown](std::size_t) { return entropy_lines(shown); }},
          ages_{1, [&shown](std::size_t) { return age_lines(shown); }},
          past_{8, [&shown](std::size_t rows) { return past_alert_lines(shown, rows); }} {
        if (shown.width >= two_tables)
            add_wide_table();
        else
            add_narrow_tables();
    }

    Lines lines(std::size_t height) {
        LineBudget budget(height);
        budget.begin(occupancy_, 1);
        budget.begin(transitions_, 1);
        budget.begin(state_, 1);
        budget.begin(list_, 1);
        budget.extend(list_, 2);
        for (Part& table : tables_) budget.begin(table, 2);
        budget.extend(occupancy_, 2);
        for (Part& table : tables_) budget.extend(table, 3);
        budget.begin(entropy_, 1);
        if (shown_.width >= two_tables) budget.begin(ages_, 1);
        budget.begin(past_, 1);
        budget.extend(state_, all);
        budget.extend(transitions_, 2);
        for (Part& table : tables_) budget.extend(table, all);
        budget.extend(list_, 5);
        // An empty line before each part except the first, if there is room for all of them.
        const auto parts = in_order();
        const std::size_t blanks = parts.empty() ? 0 : parts.size() - 1;
        const bool airy = budget.left() >= blanks;
        LineBudget rest(airy ? budget.left() - blanks : budget.left());
        rest.extend(past_, 3);
        rest.extend(occupancy_, 3);
        rest.extend(transitions_, 3);
        rest.extend(list_, 12);
        rest.extend(occupancy_, 4);
        rest.extend(transitions_, 4);
        rest.extend(list_, all);
        rest.extend(occupancy_, all);
        rest.extend(transitions_, all);
        rest.extend(past_, all);
        return drawn(in_order(), airy);
    }

  private:
    // One line and at most five lines of history: more lines would not show more.
    static Part divergence(const ShownService& shown, jsg_signal signal) {
        return {1 + 5, [&shown, signal](std::size_t rows) {
                    return divergence_lines(shown, signal, rows);
                }};
    }

    void add_wide_table() {
        const ShownService& shown = shown_;
        const std::size_t left = (shown.width - table_gap) / 2;
        const std::size_t right = shown.width - table_gap - left;
        tables_.push_back({std::max(phase_table_rows, state_table_rows(shown)),
                           [&shown, left, right](std::size_t rows) {
                               return side_by_side(phase_table(shown, left, rows),
                                                   state_table(shown, right, rows), left);
                           }});
    }

    void add_narrow_tables() {
        const ShownService& shown = shown_;
        tables_.push_back({phase_table_rows, [&shown](std::size_t rows) {
                               return phase_table(shown, shown.width, rows);
                           }});
        tables_.push_back({state_table_rows(shown), [&shown](std::size_t rows) {
                               return state_table(shown, shown.width, rows);
                           }});
        tables_.push_back({age_table_rows, [&shown](std::size_t rows) {
                               return age_table(shown, shown.width, rows);
                           }});
    }

    std::vector<const Part*> in_order() const {
        std::vector<const Part*> parts = {&list_, &state_, &occupancy_, &transitions_, &entropy_};
        for (const Part& table : tables_) parts.push_back(&table);
        parts.push_back(&ages_);
        parts.push_back(&past_);
        std::erase_if(parts, [](const Part* part) { return part->rows == 0; });
        return parts;
    }

    static Lines drawn(const std::vector<const Part*>& parts, bool airy) {
        Lines lines;
        for (const Part* part : parts) {
            if (airy && !lines.empty()) lines.emplace_back();
            for (Line& line : part->draw(part->rows)) lines.push_back(std::move(line));
        }
        return lines;
    }

    const ShownService& shown_;
    Part list_, state_, occupancy_, transitions_, entropy_, ages_, past_;
    std::vector<Part> tables_;
};

Lines body(const Watched& watched, const Canvas& canvas, std::size_t height) {
    const auto& services = watched.seen.services;
    const auto found = std::find_if(services.begin(), services.end(), [&](const auto& one) {
        return one.service.port == watched.port;
    });
    if (found != services.end()) {
        const ShownService shown{watched.seen, *found, watched.history, glyphs(canvas.unicode),
                                 canvas.width};
        return Body(watched, shown).lines(height);
    }
    const std::string text = watched.port ? not_monitored_text(watched.seen, watched.port)
                                          : "no port is monitored yet: none has had a connection";
    Lines lines = {cut({{text, Style::suspect}}, canvas.width, glyphs(canvas.unicode).more)};
    lines.resize(std::min<std::size_t>(1, height));
    return lines;
}

}  // namespace

Lines watch_screen(const Watched& watched, const Canvas& canvas) {
    Lines lines = header(watched.seen, canvas);
    const std::size_t blanks = canvas.height < airy_height ? 0 : 2;
    const std::size_t taken = lines.size() + 1 + blanks;
    if (blanks) lines.emplace_back();
    for (Line& line : body(watched, canvas, canvas.height > taken ? canvas.height - taken : 0))
        lines.push_back(std::move(line));
    if (lines.size() + 1 < canvas.height) lines.resize(canvas.height - 1);
    lines.push_back(footer(watched, canvas));
    if (lines.size() > canvas.height) lines.resize(canvas.height);
    return lines;
}

}  // namespace jsguard
