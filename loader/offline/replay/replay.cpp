// SPDX-License-Identifier: BSD-2-Clause
// Runs recorded windows through the kernel's own code, compiled for user space.
#include "offline/replay/replay.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "common/defaults.hpp"
#include "common/error.hpp"
#include "kernel/native/kernel_replay.h"
#include "offline/recording/recording_file.hpp"
#include "offline/recording/recording_lines.hpp"

namespace jsguard {
namespace {

using nlohmann::ordered_json;

bool replaying = false;

[[noreturn]] void refuse(const std::string& why) {
    throw Error(ExitCode::usage, fmt::format("cannot replay: {}; record it again", why));
}

template <typename Value>
void change(std::uint32_t& value, const std::optional<Value>& wanted, bool& is_changed) {
    if (!wanted) return;
    is_changed = true;
    value = *wanted;
}

// A new service on the port of a recorded service. Keeps what depends only on earlier traffic.
jsg_service restarted(const jsg_service& recorded) {
    jsg_service service{};
    service.port = recorded.port;
    service.sequence = recorded.sequence;
    service.last_used_ns = recorded.last_used_ns;
    service.trend_sum_nanobits = recorded.trend_sum_nanobits;
    std::copy(std::begin(recorded.trend_nanobits), std::end(recorded.trend_nanobits),
              service.trend_nanobits);
    service.relearn_request = recorded.relearn_request;
    return service;
}

const jsg_baseline* pointer(const std::optional<jsg_baseline>& baseline) {
    return baseline ? &*baseline : nullptr;
}

ordered_json fields_of(const jsg_window& record) {
    RecordedWindow window;
    window.record = record;
    return ordered_json::parse(recording_line(window));
}

}  // namespace

Replay::Replay(const RecordingHeader& header, ReplayChanges changes)
    : config_(header.config), changes_(std::move(changes)) {
    if (replaying) throw std::logic_error("a second replay in one process");
    change(config_.transition_threshold_nanobits, changes_.transition_threshold_nanobits,
           is_judging_changed_);
    change(config_.occupancy_threshold_nanobits, changes_.occupancy_threshold_nanobits,
           is_judging_changed_);
    change(config_.false_alarm_exponent, changes_.false_alarm_exponent, is_judging_changed_);
    change(config_.min_sockets, changes_.min_sockets, is_judging_changed_);
    change(config_.min_transitions, changes_.min_transitions, is_judging_changed_);
    change(config_.confirm_steps, changes_.confirm_steps, is_judging_changed_);
    change(config_.clear_steps, changes_.clear_steps, is_judging_changed_);
    config_.learn_steps = changes_.learn_steps.value_or(config_.learn_steps);
    check_recorded_config(config_);
    const auto handler = [](void* context, const jsg_alert* alert) {
        static_cast<std::vector<jsg_alert>*>(context)->push_back(*alert);
    };
    if (kernel_replay_begin(&config_, handler, &alerts_) != 0) throw std::bad_alloc();
    replaying = true;
}

Replay::~Replay() { replaying = false; }

Replayed Replay::take(const RecordingEntry& entry) {
    struct Taker {
        Replay& replay;
        std::optional<jsg_window> window = {};
        void operator()(const RecordedService& e) { replay.begin(e); }
        void operator()(const RecordedWindow& e) { window = replay.make_step(e); }
        void operator()(const RecordedBaseline& e) { replay.bring_in_force(e); }
        void operator()(const RecordedRelearning& e) { replay.ask_to_relearn(e); }
        void operator()(const RecordedGap& e) { replay.skip(e); }
        void operator()(const RecordedEnd& e) { replay.end(e); }
    } taker{*this};
    alerts_.clear();
    std::visit(taker, entry);
    return {taker.window, alerts_};
}

Replay::ServiceEntry& Replay::service_entry(std::uint32_t port) {
    const auto found = entries_.find(port);
    if (found == entries_.end())
        refuse(fmt::format("an entry of port {} comes before the port's service", port));
    return found->second;
}

std::uint32_t Replay::free_service_id() const {
    for (std::uint32_t id = 1; id <= JSG_SERVICES; ++id) {
        if (std::none_of(entries_.begin(), entries_.end(),
                         [&](const auto& entry) { return entry.second.id == id; }))
            return id;
    }
    refuse(fmt::format("it has more than {} services at once", JSG_SERVICES));
}

// Applies the changes to a recorded service. given: the baseline that is in force instead; may be
// null.
jsg_service Replay::changed(const RecordedService& recorded, const jsg_baseline* given) const {
    jsg_service service = recorded.service;
    if (given || changes_.learn_steps) {
        service = restarted(recorded.service);
        service.mode = given ? JSG_MONITORING : JSG_LEARNING;
    } else if (is_judging_changed_) {
        // started_ns = 0 makes the first service step set the thresholds. Alert states are reset,
        // because other thresholds led to them.
        service.started_ns = 0;
        std::fill(std::begin(service.alerts), std::end(service.alerts), jsg_alert_track{});
    }
    return service;
}

void Replay::begin(const RecordedService& recorded) {
    const std::uint32_t port = recorded.service.port;
    const jsg_mode mode = recorded.service.mode;
    if (port == 0 || port > max_port || mode > JSG_MONITORING) refuse("it has an invalid service");
    const auto baseline = changes_.baselines.find(static_cast<std::uint16_t>(port));
    const jsg_baseline* given = baseline == changes_.baselines.end() ? nullptr : &baseline->second;
    const bool as_recorded = !given && !changes_.learn_steps;
    if (!entries_.contains(port)) entries_[port] = {free_service_id()};
    const jsg_service service = changed(recorded, given);
    kernel_replay_set_service(
        entries_[port].id, &service, as_recorded ? pointer(recorded.baseline) : given,
        as_recorded ? pointer(recorded.pending_baseline) : nullptr, recorded.history.data(),
        static_cast<std::uint32_t>(recorded.history.size()));
}

std::optional<jsg_window> Replay::make_step(const RecordedWindow& window) {
    const jsg_window& record = window.record;
    ServiceEntry& entry = service_entry(record.port);
    const std::uint64_t last = kernel_replay_service(entry.id)->sequence;
    if (record.sequence != last + 1)
        refuse(fmt::format("window {} of port {} follows its window {}", record.sequence,
                           record.port, last));
    const kernel_replay_step step{.record = &record,
                                  .counted = &window.step,
                                  .transitions = window.transitions.data(),
                                  .occupancy = window.occupancy.data(),
                                  .listeners = window.listeners,
                                  .relearn = std::exchange(entry.relearns, false)};
    kernel_replay_service_step(entry.id, &step);
    ++windows_;
    return *kernel_replay_window(entry.id);
}

// The replay learns its own baselines. It takes a recorded baseline only if windows were missing,
// because it could not learn from those.
void Replay::bring_in_force(const RecordedBaseline& learned) {
    ServiceEntry& entry = service_entry(learned.port);
    const bool as_recorded = !changes_.learn_steps &&
                             !changes_.baselines.contains(static_cast<std::uint16_t>(learned.port));
    if (!entry.has_gap || !as_recorded) return;
    kernel_replay_bring_in_force(entry.id, &learned.baseline);
    entry.has_gap = false;
}

void Replay::ask_to_relearn(const RecordedRelearning& relearning) {
    ServiceEntry& entry = service_entry(relearning.port);
    if (relearning.sequence <= kernel_replay_service(entry.id)->sequence)
        refuse(
            fmt::format("port {} is asked to relearn with its window {}, which has already closed",
                        relearning.port, relearning.sequence));
    entry.relearns = true;
}

void Replay::skip(const RecordedGap& gap) {
    ServiceEntry& entry = service_entry(gap.port);
    if (gap.sequence != kernel_replay_service(entry.id)->sequence + 1)
        refuse(fmt::format("the gap of port {} does not follow its last window", gap.port));
    kernel_replay_skip(entry.id, gap.windows);
    entry.has_gap = true;
    missing_ += gap.windows;
}

void Replay::end(const RecordedEnd& end) {
    kernel_replay_clear(service_entry(end.port).id);
    entries_.erase(end.port);
}

RecordedService Replay::service(std::uint32_t port) const {
    const std::uint32_t id = entries_.at(port).id;
    RecordedService found;
    found.service = *kernel_replay_service(id);
    if (found.service.mode == JSG_MONITORING) found.baseline = *kernel_replay_baseline(id);
    if (found.service.mode != JSG_MONITORING || found.service.relearning)
        found.pending_baseline = *kernel_replay_pending_baseline(id);
    for (std::uint32_t ago = kernel_replay_known_steps(id); ago-- > 0;)
        kernel_replay_past_step(id, ago, &found.history.emplace_back());
    return found;
}

std::optional<std::string> window_difference(const jsg_window& recorded,
                                             const jsg_window& replayed) {
    if (std::memcmp(&recorded, &replayed, sizeof(recorded)) == 0) return {};
    const ordered_json before = fields_of(recorded), now = fields_of(replayed);
    for (const ordered_json& change : ordered_json::diff(before, now)) {
        const std::string path = change["path"];
        const ordered_json::json_pointer at(path);
        if (now.contains(at) && before.contains(at))
            return fmt::format("{} is {}, recorded {}", path.substr(1), now[at].dump(),
                               before[at].dump());
    }
    return "it differs in a field that recordings do not have";
}

}  // namespace jsguard
