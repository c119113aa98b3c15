// SPDX-License-Identifier: BSD-2-Clause
// jsguard watch: shows a running detector on the screen, and draws it again when windows close.
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
    std::string pin_dir = default_pin_dir;
    std::uint16_t port = 0;
    std::optional<std::uint32_t> duration_s;
    bool plain = false;
};

// Decides when jsguard watch ends.
class Ending {
  public:
    Ending(const PinnedDetector& detector, const WatchOptions& options)
        : detector_(detector), silence_(detector), duration_s_(options.duration_s) {}

    // True after a stop signal, after --duration, or when the detector has ended. Throws
    // Error(runtime) if the detector was killed.
    bool is_due() {
        detector_ended_ = !detector_.is_pinned();
        if (stop_requested || detector_ended_) return true;
        const auto now = Clock::now();
        if (duration_s_ && now - start_ >= std::chrono::seconds(*duration_s_)) return true;
        silence_.check();
        return false;
    }

    void log_reason() const {
        if (detector_ended_) jsguard::log_line(detector_ended);
    }

  private:
    const PinnedDetector& detector_;
    Silence silence_;
    std::optional<std::uint32_t> duration_s_;
    Clock::time_point start_ = Clock::now();
    bool detector_ended_ = false;
};

// The last windows of the service that is shown in full.
class History {
  public:
    explicit History(const MapReader& reader) : reader_(reader) {}

    void follow(const ObservedService* service) {
        if (!service) return windows_.clear();
        const Identity identity{service->service_id, service->service.port,
                                service->service.started_ns};
        if (identity != identity_) windows_.clear();
        identity_ = identity;
        const std::uint64_t last = service->service.sequence;
        std::uint64_t next = windows_.empty() ? 1 : windows_.back().sequence + 1;
        next = std::max(next, oldest_window(service->service));
        for (; next <= last; ++next) {
            if (const auto window = reader_.window(service->service_id, service->service, next))
                windows_.push_back(*window);
        }
        if (windows_.size() > JSG_WINDOWS_KEPT)
            windows_.erase(windows_.begin(), windows_.end() - JSG_WINDOWS_KEPT);
    }

    const std::vector<jsg_window>& windows() const { return windows_; }

  private:
    using Identity = std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>;

    const MapReader& reader_;
    Identity identity_{};
    std::vector<jsg_window> windows_;
};

class ScreenWatch {
  public:
    ScreenWatch(const PinnedDetector& detector, const WatchOptions& options)
        : reader_(detector.reader()),
          observer_(detector),
          choice_(options.port),
          history_(reader_) {}

    // Observes the detector if that is due, draws changes, and waits for a key. Returns false after
    // the key to quit.
    bool run_once(Terminal& terminal) {
        if (!seen_ || (!paused_ && is_observation_due())) observe();
        if (changed_) draw(terminal);
        const auto key = terminal.wait_for_key(poll_every);
        if (key) act(*key);
        return key != Key::quit;
    }

  private:
    // The number of rows that the key moves down in the list of services.
    static int rows_of(Key key) {
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

    // Reading all services is expensive. So it is done once a step, or when the service on the
    // screen has closed a window.
    bool is_observation_due() const {
        if (Clock::now() - observed_at_ >= std::chrono::nanoseconds(reader_.config().step_ns))
            return true;
        if (!shown_id_) return false;
        const jsg_service now = reader_.service(shown_id_);
        return now.port != choice_.port() || now.sequence != shown_sequence_;
    }

    void observe() {
        seen_ = observer_.observe();
        observed_at_ = Clock::now();
        changed_ = true;
    }

    void draw(Terminal& terminal) {
        const ObservedService* shown = choice_.follow(*seen_);
        shown_id_ = shown ? shown->service_id : 0;
        shown_sequence_ = shown ? shown->service.sequence : 0;
        history_.follow(shown);
        terminal.draw(watch_screen({*seen_, choice_.port(), history_.windows(), paused_},
                                   {terminal.width(), terminal.height(), terminal.is_unicode()}));
        changed_ = false;
    }

    void act(Key key) {
        choice_.move(*seen_, rows_of(key));
        if (key == Key::pause) paused_ = !paused_;
        changed_ = key != Key::other;
    }

    const MapReader& reader_;
    Observer observer_;
    WatchChoice choice_;
    History history_;
    std::optional<Observation> seen_;
    Clock::time_point observed_at_;
    std::uint32_t shown_id_ = 0;
    std::uint64_t shown_sequence_ = 0;
    bool paused_ = false;
    bool changed_ = false;
};

// Prints each window of the services as a line.
class PlainWatch {
  public:
    PlainWatch(const MapReader& reader, const WatchOptions& options)
        : reader_(reader), port_(options.port) {}

    // Prints a line on stderr if there is nothing to show yet.
    void log_no_service() const {
        const auto services = reader_.services();
        if (std::any_of(services.begin(), services.end(),
                        [&](const jsg_service& service) { return is_shown(service); }))
            return;
        log_line(waiting_text(port_));
    }

    void follow() {
        const std::uint64_t closed = reader_.stats().windows;
        if (closed == closed_) return;
        closed_ = closed;
        std::uint32_t id = 0;
        for (const jsg_service& service : reader_.services()) {
            ++id;
            if (is_shown(service)) print_new_windows(id, service);
        }
    }

  private:
    bool is_shown(const jsg_service& service) const {
        return service.port && service.mode != JSG_LEAVING && (!port_ || service.port == port_);
    }

    void print_new_windows(std::uint32_t id, const jsg_service& service) {
        auto& [started_ns, printed] = printed_[id];
        // For a service that was not printed before, begin with its last window.
        if (started_ns != service.started_ns) printed = service.sequence ? service.sequence - 1 : 0;
        started_ns = service.started_ns;
        for (std::uint64_t next = printed + 1; next <= service.sequence; ++next) {
            if (const auto window = reader_.window(id, service, next))
                print_line(watch_line(*window, service));
            else if (next == service.sequence)
                return;  // not published yet
            printed = next;
        }
    }

    const MapReader& reader_;
    std::uint16_t port_;
    // By service ID: start of the service, and sequence number of the last printed window.
    std::map<std::uint32_t, std::pair<std::uint64_t, std::uint64_t>> printed_;
    std::uint64_t closed_ = 0;
};

void watch_plainly(const PinnedDetector& detector, const WatchOptions& options, Ending& ending) {
    PlainWatch watch(detector.reader(), options);
    watch.log_no_service();
    while (!ending.is_due()) {
        watch.follow();
        std::this_thread::sleep_for(poll_every);
    }
}

void watch_on_screen(const PinnedDetector& detector, const WatchOptions& options, Ending& ending) {
    ScreenWatch watch(detector, options);
    if (ending.is_due()) return;
    Terminal terminal;
    while (watch.run_once(terminal) && !ending.is_due()) {
    }
}

int watch(const WatchOptions& options) {
    const PinnedDetector detector(options.pin_dir);
    // Set the handlers before curses starts: otherwise curses installs its own, which end the
    // program.
    stop_at({SIGINT, SIGTERM, SIGHUP, SIGQUIT});
    Ending ending(detector, options);
    if (options.plain || !is_drawable_terminal())
        print_while_read([&] { watch_plainly(detector, options, ending); });
    else
        watch_on_screen(detector, options, ending);
    ending.log_reason();
    return static_cast<int>(ExitCode::clean);
}

}  // namespace

void add_watch(CLI::App& app, Run& run) {
    auto options = std::make_shared<WatchOptions>();
    CLI::App* command = app.add_subcommand("watch", "show a running detector live on the screen");
    add_port(*command, options->port, "show this port");
    command->add_flag("--plain", options->plain,
                      "print a line for each window (default if stdout is no terminal)");
    add_duration(*command, options->duration_s);
    add_pin_dir(*command, options->pin_dir);
    command->callback([options, &run] { run = [options] { return watch(*options); }; });
}

}  // namespace jsguard
