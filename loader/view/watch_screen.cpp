// SPDX-License-Identifier: BSD-2-Clause
// The screen of jsguard watch: from what a detector shows to lines of styled text.
#include "watch_screen.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "counted.hpp"
#include "error.hpp"
#include "losses.hpp"
#include "quantity_text.hpp"
#include "status_figures.hpp"
#include "status_text.hpp"
#include "watch_list.hpp"

namespace jsguard {
namespace {

// From here on the tables stand side by side.
constexpr std::size_t two_tables = 72;
constexpr std::size_t table_gap = 3;
// From here on the header may have two lines, and is set off, as is the footer.
constexpr std::size_t high = 20, airy_height = 30;

// A part of the screen: how many lines it may have, and what it shows in so many.
struct Part {
    std::size_t most;
    std::function<Lines(std::size_t rows)> draw;
    std::size_t rows = 0;  // that it has been given
};

// Gives lines that are left to parts, as they are asked for.
class Share {
  public:
    explicit Share(std::size_t lines) : left_(lines) {}

    // All of least, or nothing.
    void begin(Part& part, std::size_t least) {
        if (part.rows == 0 && least <= left_) grow(part, least);
    }
    // Up to so many, of one that has some.
    void go_on(Part& part, std::size_t most) {
        if (part.rows > 0) grow(part, most);
    }
    std::size_t left() const { return left_; }

  private:
    void grow(Part& part, std::size_t most) {
        const std::size_t wanted = std::min(most, part.most);
        const std::size_t more = std::min(left_, wanted - std::min(wanted, part.rows));
        part.rows += more;
        left_ -= more;
    }

    std::size_t left_;
};

constexpr std::size_t all = SIZE_MAX;

// What the timer's callbacks take, of one core.
std::string cost_text(const Cost& cost) {
    const auto share = tick_cpu_share(cost);
    if (!share || !cost.map_bytes) return "cost not known without CAP_SYS_ADMIN";
    return fmt::format("timer {:.2f} % of a core, maps {}", 100 * *share,
                       bytes_text(*cost.map_bytes));
}

std::string uptime_text(const Cost& cost) {
    if (!cost.uptime_ns) return "up for an unknown time";
    return "up " + duration_text(*cost.uptime_ns / second_ns * 1000);
}

// The items in at most so many lines, broken between items; what is left over is cut off.
Lines flowing(const std::vector<Piece>& items, std::size_t width, std::size_t most) {
    const std::string space = "   ";
    Lines lines(1);
    for (const Piece& item : items) {
        const bool fits = columns(lines.back()) + space.size() + columns(item.text) <= width;
        if (!lines.back().empty() && !fits && lines.size() < most) lines.emplace_back();
        if (!lines.back().empty()) lines.back().push_back({space, Style::plain});
        lines.back().push_back(item);
    }
    for (Line& line : lines) line = cut(line, width);
    return lines;
}

// One column a character, whatever the host calls itself.
std::string plain_ascii(std::string text) {
    std::replace_if(
        text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x7f; },
        '?');
    return printable(text);
}

Lines header(const Observation& seen, const Canvas& canvas) {
    const std::size_t up = alerts_up(seen);
    const std::string lost = losses_text(seen.stats, seen.cost.missed_runs.value_or(0));
    return flowing({{"jsguard " + plain_ascii(seen.host), Style::heading},
                    {counted(up, "alert up", "alerts up"), up ? Style::alarm : Style::plain},
                    {counted(seen.services.size(), "port", "ports"), Style::plain},
                    {uptime_text(seen.cost), Style::plain},
                    {cost_text(seen.cost), Style::faint},
                    {lost.empty() ? "nothing lost" : "lost or left out: " + lost, Style::faint}},
                   canvas.width, canvas.height < high ? 1 : 2);
}

Line footer(const Watched& watched, std::size_t width) {
    std::vector<Piece> items;
    if (watched.paused) items.push_back({"PAUSED", Style::banner});
    items.push_back({"q quit", Style::faint});
    if (watched.seen.services.size() > 1) items.push_back({"j/k or arrows service", Style::faint});
    items.push_back({watched.paused ? "p go on" : "p pause", Style::faint});
    return flowing(items, width, 1).front();
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

// The lines between header and footer, of a detector with a service that is shown in full.
class Body {
  public:
    Body(const Watched& watched, const ShownService& shown)
        : shown_(shown),
          list_{watched.seen.services.size() > 1 ? watched.seen.services.size() + 1 : 0,
                [&watched, &shown](std::size_t rows) {
                    return service_list(watched.seen, watched.port, shown.width, rows);
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
        Share share(height);
        share.begin(occupancy_, 1);
        share.begin(transitions_, 1);
        share.begin(state_, 1);
        share.begin(list_, 1);
        share.go_on(list_, 2);
        for (Part& table : tables_) share.begin(table, 3);
        share.begin(entropy_, 1);
        if (shown_.width >= two_tables) share.begin(ages_, 1);
        share.begin(past_, 1);
        share.go_on(state_, all);
        for (Part& table : tables_) share.go_on(table, all);
        share.go_on(list_, 5);
        share.go_on(occupancy_, 2);
        share.go_on(transitions_, 2);
        // An empty line before each part but the first, if there is room for all of them.
        const auto parts = in_order();
        const std::size_t blanks = parts.empty() ? 0 : parts.size() - 1;
        const bool airy = share.left() >= blanks;
        Share rest(airy ? share.left() - blanks : share.left());
        rest.go_on(past_, 3);
        rest.go_on(occupancy_, 3);
        rest.go_on(transitions_, 3);
        rest.go_on(list_, 12);
        rest.go_on(occupancy_, 4);
        rest.go_on(transitions_, 4);
        rest.go_on(list_, all);
        rest.go_on(occupancy_, all);
        rest.go_on(transitions_, all);
        rest.go_on(past_, all);
        return drawn(in_order(), airy);
    }

  private:
    // Five lines of history are as good as more.
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
    const std::string text = watched.port ? not_guarded_text(watched.seen, watched.port)
                                          : "no port is guarded yet: nothing listens";
    Lines lines = {cut({{text, Style::suspect}}, canvas.width)};
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
    lines.push_back(footer(watched, canvas.width));
    if (lines.size() > canvas.height) lines.resize(canvas.height);
    return lines;
}

}  // namespace jsguard
