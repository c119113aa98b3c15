// SPDX-License-Identifier: BSD-2-Clause
// The outputs of a detector besides its maps: stdout, the system's log and a textfile.
#include "load/outlets.hpp"

#include <sys/utsname.h>
#include <syslog.h>

#include <chrono>
#include <utility>

#include "common/alert_text.hpp"
#include "common/clocks.hpp"
#include "common/json_fields.hpp"
#include "common/print.hpp"
#include "common/quantity_text.hpp"
#include "observe/prometheus_text.hpp"

namespace jsguard {
namespace {

constexpr auto log_timeout = std::chrono::seconds(1);  // at the end
// Each tick makes the service step of one service, so a step has one tick for each.
constexpr std::uint64_t ticks_per_step = JSG_SERVICES;

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
    if (options.save_baseline_file)
        baselines_.emplace(baseline_output(*options.save_baseline_file));
}

std::vector<int> Outlets::directories() const {
    std::vector<int> all;
    if (textfile_) all.push_back(textfile_->directory());
    if (baselines_) all.push_back(baselines_->directory());
    return all;
}

void Outlets::save(const Baselines& learned) const {
    write_baselines(*baselines_, learned, origin_here(options_.step_s));
}

void Outlets::begin(const std::string& start_line, const MapReader& reader,
                    OwnDescriptors descriptors) {
    notice(LOG_INFO, "start", start_line);
    if (textfile_)
        figures_.emplace(
            Figures{reader, Observer(reader, options_.pin_dir, std::move(descriptors)), {}});
}

void Outlets::alert(const jsg_alert& alert, std::uint64_t instance) {
    const Origin origin{hostname_, instance_text(instance)};
    std::optional<nlohmann::ordered_json> object;
    if (log_ || options_.json) object = alert_object(alert, origin);
    // The log first, because it never throws, but stdout may.
    if (log_) log_->send(alert_message(alert, *object));
    progress_.hide_bar();
    // An alert from before this start always has its time, so that it does not look new.
    const bool timestamp = options_.timestamp || alert.at_unix_ms < began_unix_ms_;
    print_line(options_.json ? json_text(*object) : alert_text(alert, origin, {false, timestamp}));
}

void Outlets::warning(const std::string& line) { notice(LOG_WARNING, "warning", line); }

void Outlets::step() {
    if (figures_) progress_.print_if_any(write_figures());
    if (log_) progress_.print_if_any(log_->retry());
}

std::string Outlets::write_figures() {
    return textfile_->write([this]() -> std::optional<std::string> {
        const std::uint64_t step = figures_->reader.ticks().count / ticks_per_step;
        if (step == figures_->step) return {};
        figures_->step = step;
        return prometheus_text(figures_->observer.observe());
    });
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
    figures_.reset();
    textfile_.reset();
    if (!log_) return;
    notice(priority, "end", text);
    log_->finish(log_timeout);
    if (log_->lost())
        log_line(fmt::format("{} not taken by the system's log",
                             counted(log_->lost(), "message", "messages")));
}

}  // namespace jsguard
