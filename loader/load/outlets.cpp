// SPDX-License-Identifier: BSD-2-Clause
// Where what a detector finds goes, besides its maps: stdout, the system's log, a textfile.
#include "load/outlets.hpp"

#include <sys/utsname.h>
#include <syslog.h>

#include <chrono>
#include <utility>

#include "common/clocks.hpp"
#include "common/counted.hpp"
#include "common/print_line.hpp"
#include "common/tell.hpp"

namespace jsguard {
namespace {

constexpr auto log_patience = std::chrono::seconds(1);  // at the end

std::string host_name() {
    utsname names{};
    uname(&names);
    return names.nodename;
}

}  // namespace

Outlets::Outlets(const Options& options, Progress& progress)
    : options_(options),
      progress_(progress),
      hostname_(host_name()),
      began_unix_ms_(unix_now_ms()) {
    if (options.syslog) log_.emplace();
    if (options.textfile) textfile_.emplace(*options.textfile);
}

void Outlets::begin(const std::string& start_line, OwnDescriptors descriptors) {
    notice(LOG_INFO, "start", start_line);
    if (textfile_) exposition_.emplace(options_.pin_dir, std::move(descriptors), *textfile_);
}

void Outlets::alert(const jsg_alert& alert, std::uint64_t instance) {
    const Origin origin{hostname_, instance_text(instance)};
    // First the log, which never fails: stdout may.
    if (log_) log_->send(alert_message(alert, origin));
    progress_.hide_bar();
    Options form = options_;
    // One that was kept must not look as if it came now.
    form.timestamp = form.timestamp || alert.at_unix_ms < began_unix_ms_;
    print_line(alert_text(alert, origin, form));
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
        tell(fmt::format("{} not taken by the system's log",
                         counted(log_->lost(), "message", "messages")));
}

}  // namespace jsguard
