// SPDX-License-Identifier: BSD-2-Clause
// jsguard watch: a running detector on the screen, drawn again as its windows close.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <tuple>
#include <vector>

#include "cli/command.hpp"
#include "cli/terminal.hpp"
#include "cli/watch_choice.hpp"
#include "cli/watch_line.hpp"
#include "cli/watch_screen.hpp"
#include "common/error.hpp"
#include "common/option_adder.hpp"
#include "common/print.hpp"
#include "observe/following.hpp"
#include "observe/observer.hpp"
#include "observe/pinned_detector.hpp"

namespace jsguard {
namespace {

using Clock = std::chrono::steady_clock;

struct WatchOptions {
    std::string pin_dir = usual_pin_dir;
    std::uint16_t port = 0;
    std::optional<std::uint32_t> duration_s;
    bool plain = false;
};

// Why watching ends, if it does.
class Ending {
  public:
    Ending(const PinnedDetector& detector, const WatchOptions& options)
        : detector_(detector), silence_(detector), duration_s_(options.duration_s) {}

    // Whether it was asked for, the time is over, or the detector has ended. Throws Error(runtime)
    // if that has fallen silent.
    bool is_here() {
        detector_ended_ = !detector_.is_pinned();
        if (stop_requested || detector_ended_) return true;
        const auto now = Clock::now();
        if (duration_s_ && now - start_ >= std::chrono::seconds(*duration_s_)) return true;
        silence_.check();
        return false;
    }

    void tell() const {
        if (detector_ended_) jsguard::tell(detector_ended);
    }

  private:
    const PinnedDetector& detector_;
    Silence silence_;
    std::optional<std::uint32_t> duration_s_;
    Clock::time_point start_ = Clock::now();
    bool detector_ended_ = false;
};

// The last windows of the one service that is shown in full.
class History {
  public:
    explicit History(const MapReader& reader) : reader_(reader) {}

    void follow(const ObservedService* service) {
        if (!service) return windows_.clear();
        const Who who{service->place, service->service.port, service->service.started_ns};
        if (who != who_) windows_.clear();
        who_ = who;
        const std::uint64_t last = service->service.sequence;
        std::uint64_t next = windows_.empty() ? 1 : windows_.back().sequence + 1;
        next = std::max(next, oldest_window(service->service));
        for (; next <= last; ++next) {
            if (const auto window = reader_.window(service->place, service->service, next))
                windows_.push_back(*window);
        }
        if (windows_.size() > JSG_WINDOWS_KEPT)
            windows_.erase(windows_.begin(), windows_.end() - JSG_WINDOWS_KEPT);
    }

    const std::vector<jsg_window>& windows() const { return windows_; }

  private:
    using Who = std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>;

    const MapReader& reader_;
    Who who_{};
    std::vector<jsg_window> windows_;
};

class ScreenWatch {
  public:
    ScreenWatch(const PinnedDetector& detector, const WatchOptions& options)
        : reader_(detector.reader()),
          observer_(detector),
          choice_(options.port),
          history_(reader_) {}

    // Looks, draws if there is anything new, and waits for a key; false once the user wants to
    // quit.
    bool go_on(Terminal& terminal) {
        if (!seen_ || (!paused_ && is_news())) look();
        if (changed_) draw(terminal);
        const auto key = terminal.wait_for_key(poll_every);
        if (key) act(*key);
        return key != Key::quit;
    }

  private:
    // Down the list.
    static int places_of(Key key) {
        constexpr int page = 10, all = JSG_SERVICES;
        switch (key) {
            case Key::up:
                return -1;
            case Key::down:
                return 1;
            case Key::page_up:
                return -page;
            case Key::page_down:
                return page;
            case Key::first:
                return -all;
            case Key::last:
                return all;
            default:
                return 0;
        }
    }

    // A look at all services is dear; the one that is shown tells when its next window is there,
    // and by then a step has gone by for the others too.
    bool is_news() const {
        if (Clock::now() - looked_at_ >= std::chrono::nanoseconds(reader_.config().step_ns))
            return true;
        if (!shown_place_) return false;
        const jsg_service now = reader_.service(shown_place_);
        return now.port != choice_.port() || now.sequence != shown_sequence_;
    }

    void look() {
        seen_ = observer_.observe();
        looked_at_ = Clock::now();
        changed_ = true;
    }

    void draw(Terminal& terminal) {
        const ObservedService* shown = choice_.follow(*seen_);
        shown_place_ = shown ? shown->place : 0;
        shown_sequence_ = shown ? shown->service.sequence : 0;
        history_.follow(shown);
        terminal.draw(watch_screen({*seen_, choice_.port(), history_.windows(), paused_},
                                   {terminal.width(), terminal.height(), terminal.is_unicode()}));
        changed_ = false;
    }

    void act(Key key) {
        choice_.move(*seen_, places_of(key));
        if (key == Key::pause) paused_ = !paused_;
        changed_ = key != Key::other;
    }

    const MapReader& reader_;
    Observer observer_;
    WatchChoice choice_;
    History history_;
    std::optional<Observation> seen_;
    Clock::time_point looked_at_;
    std::uint32_t shown_place_ = 0;
    std::uint64_t shown_sequence_ = 0;
    bool paused_ = false;
    bool changed_ = false;
};

// The windows of the services as lines, each once.
class PlainWatch {
  public:
    PlainWatch(const MapReader& reader, const WatchOptions& options)
        : reader_(reader), port_(options.port) {}

    // Tells on stderr, once, that there is nothing to show yet.
    void tell_waiting() const {
        const auto services = reader_.services();
        if (std::any_of(services.begin(), services.end(),
                        [&](const jsg_service& service) { return is_shown(service); }))
            return;
        tell(waiting_text(port_));
    }

    void follow() {
        const std::uint64_t closed = reader_.stats().windows;
        if (closed == closed_) return;
        closed_ = closed;
        std::uint32_t place = 0;
        for (const jsg_service& service : reader_.services()) {
            ++place;
            if (is_shown(service)) follow_place(place, service);
        }
    }

  private:
    bool is_shown(const jsg_service& service) const {
        return service.port && service.mode != JSG_LEAVING && (!port_ || service.port == port_);
    }

    void follow_place(std::uint32_t place, const jsg_service& service) {
        auto& [started_ns, told] = told_[place];
        // Of a service that is new to us only the last window is news.
        if (started_ns != service.started_ns) told = service.sequence ? service.sequence - 1 : 0;
        started_ns = service.started_ns;
        for (std::uint64_t next = told + 1; next <= service.sequence; ++next) {
            if (const auto window = reader_.window(place, service, next))
                print_line(watch_line(*window, service));
            else if (next == service.sequence)
                return;  // not published yet
            told = next;
        }
    }

    const MapReader& reader_;
    std::uint16_t port_;
    std::map<std::uint32_t, std::pair<std::uint64_t, std::uint64_t>> told_;  // by place
    std::uint64_t closed_ = 0;
};

void watch_plainly(const PinnedDetector& detector, const WatchOptions& options, Ending& ending) {
    PlainWatch watch(detector.reader(), options);
    watch.tell_waiting();
    while (!ending.is_here()) {
        watch.follow();
        std::this_thread::sleep_for(poll_every);
    }
}

void watch_on_screen(const PinnedDetector& detector, const WatchOptions& options, Ending& ending) {
    ScreenWatch watch(detector, options);
    if (ending.is_here()) return;
    Terminal terminal;
    while (watch.go_on(terminal) && !ending.is_here()) {
    }
}

int watch(const WatchOptions& options) {
    const PinnedDetector detector(options.pin_dir);
    // Before the terminal is ours, whose library would leave the program by its own way.
    stop_at({SIGINT, SIGTERM, SIGHUP, SIGQUIT});
    Ending ending(detector, options);
    if (options.plain || !is_drawable_terminal())
        print_while_read([&] { watch_plainly(detector, options, ending); });
    else
        watch_on_screen(detector, options, ending);
    ending.tell();
    return static_cast<int>(ExitCode::clean);
}

}  // namespace

void add_watch(CLI::App& app, Run& run) {
    auto options = std::make_shared<WatchOptions>();
    CLI::App* command = app.add_subcommand("watch", "show a running detector live, on the screen");
    add_port(*command, options->port, "show this port");
    command->add_flag("--plain", options->plain,
                      "a line for each window, as where stdout is no terminal");
    add_duration(*command, options->duration_s);
    add_pin_dir(*command, options->pin_dir);
    command->callback([options, &run] { run = [options] { return watch(*options); }; });
}

}  // namespace jsguard
