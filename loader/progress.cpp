// SPDX-License-Identifier: BSD-2-Clause
// What the user is told on stderr as services come, learn, and go.
#include "progress.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "alert_text.hpp"

namespace jsguard {
namespace {

constexpr std::size_t usual_width = 80;

std::size_t terminal_width() {
    winsize size{};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return usual_width;
    return size.ws_col;
}

}  // namespace

Progress::Progress(const Options& options, bool terminal)
    : options_(options), terminal_(terminal), known_(JSG_SERVICES) {}

void Progress::say(const std::string& line) {
    hide_bar();
    fmt::print(stderr, "{}\n", line);
}

void Progress::hide_bar() {
    if (bar_shown_) fmt::print(stderr, "\r\033[K");
    bar_shown_ = false;
}

bool Progress::take_learned() { return std::exchange(learned_, false); }

void Progress::follow(Known& known, const jsg_service& service) {
    const std::uint32_t port = service.mode == JSG_LEAVING ? 0 : service.port;
    if (port != known.port) {
        if (known.port)
            say(fmt::format("port {} is no longer used, and no longer guarded", known.port));
        if (port && !first_) say(fmt::format("port {} is guarded too", port));
        known = {port, JSG_FREE};
    }
    if (!port || service.mode == known.mode) return;
    if (service.mode == JSG_GUARDING && known.mode != JSG_FREE) {
        say(fmt::format("port {}: learned its baseline in {} s, now on guard", port,
                        service.learned_steps * options_.step_s));
        learned_ = true;
    }
    if (service.mode == JSG_LEARNING_ON)
        say(fmt::format(
            "port {}: showed too little to learn from in {} s; goes on learning, and its "
            "occupancy is judged against the built-in baseline meanwhile",
            port, options_.learn_s));
    known.mode = service.mode;
}

void Progress::draw_bar(const std::vector<jsg_service>& services) {
    std::uint32_t steps = 0;
    bool learning = false;
    for (const jsg_service& service : services) {
        if (!service.port || service.mode > JSG_LEARNING) continue;
        learning = true;
        steps = std::max(steps, service.learned_steps);
    }
    if (!learning) return hide_bar();
    fmt::print(stderr, "\r\033[K{}",
               learning_bar(steps * options_.step_s, options_.learn_s, terminal_width() - 1));
    bar_shown_ = true;
}

void Progress::update(const std::vector<jsg_service>& services, const jsg_stats& stats) {
    for (std::size_t i = 0; i < services.size(); ++i) follow(known_[i], services[i]);
    first_ = false;
    if (stats.services_refused > refused_)
        say(
            fmt::format("{} listening {} not guarded: all {} places are taken; name the ports that "
                        "matter with --localport",
                        stats.services_refused,
                        stats.services_refused == 1 ? "port is" : "ports are", JSG_SERVICES));
    refused_ = stats.services_refused;
    if (terminal_) draw_bar(services);
}

}  // namespace jsguard
