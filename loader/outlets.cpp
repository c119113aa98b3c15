// SPDX-License-Identifier: BSD-2-Clause
// Where what a detector finds goes, besides its maps: stdout, the system's log, a textfile.
#include "outlets.hpp"

#include <sys/random.h>
#include <sys/utsname.h>
#include <syslog.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>

#include "counted.hpp"
#include "print_line.hpp"

namespace jsguard {
namespace {

constexpr auto log_patience = std::chrono::seconds(1);  // at the end

// Unique over restarts and boots: the time in seconds, and 16 random bits for two in one second.
Origin make_origin() {
    utsname names{};
    uname(&names);
    std::uint16_t chance = 0;
    if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
        chance = static_cast<std::uint16_t>(getpid());
    return {names.nodename, fmt::format("{:08x}{:04x}", std::time(nullptr), chance)};
}

}  // namespace

Outlets::Outlets(const Options& options, Progress& progress)
    : options_(options), progress_(progress), origin_(make_origin()) {
    if (options.syslog) log_.emplace();
    if (options.textfile) textfile_.emplace(*options.textfile);
}

void Outlets::begin(const std::string& start_line) {
    notice(LOG_INFO, "start", start_line);
    if (textfile_) exposition_.emplace(options_.pin_dir, *textfile_);
}

void Outlets::alert(const jsg_alert& alert) {
    // First the log, which never fails: stdout may.
    if (log_) log_->send(alert_message(alert, origin_));
    progress_.hide_bar();
    print_line(alert_text(alert, origin_, options_));
}

void Outlets::doubt(const std::string& line) { notice(LOG_WARNING, "doubt", line); }

void Outlets::step() {
    if (exposition_) progress_.say_if_any(exposition_->update());
    if (log_) progress_.say_if_any(log_->retry());
}

void Outlets::end(const std::string& summary) { finish(LOG_INFO, summary); }

void Outlets::end_by_error(const std::string& why) {
    progress_.hide_bar();
    finish(LOG_ERR, "ended by an error: " + why);
}

void Outlets::notice(int priority, const char* event, const std::string& text) {
    if (log_) log_->send(notice_message(priority, event, text));
}

void Outlets::finish(int priority, const std::string& text) {
    exposition_.reset();
    textfile_.reset();
    if (!log_) return;
    notice(priority, "end", text);
    log_->finish(log_patience);
    if (log_->lost())
        fmt::print(stderr, "{} not taken by the system's log\n",
                   counted(log_->lost(), "message", "messages"));
}

}  // namespace jsguard
