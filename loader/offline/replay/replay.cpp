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

// A service that begins with its next window, but whose port was in use before.
jsg_service begun_anew(const jsg_service& recorded) {
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
           judges_otherwise_);
    change(config_.occupancy_threshold_nanobits, changes_.occupancy_threshold_nanobits,
           judges_otherwise_);
    change(config_.false_alarm_exponent, changes_.false_alarm_exponent, judges_otherwise_);
    change(config_.min_sockets, changes_.min_sockets, judges_otherwise_);
    change(config_.min_transitions, changes_.min_transitions, judges_otherwise_);
    change(config_.confirm_steps, changes_.confirm_steps, judges_otherwise_);
    change(config_.clear_steps, changes_.clear_steps, judges_otherwise_);
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
        void operator()(const RecordedWindow& e) { window = replay.turn(e); }
        void operator()(const RecordedBaseline& e) { replay.bring_in_force(e); }
        void operator()(const RecordedRelearning& e) { replay.ask_to_relearn(e); }
        void operator()(const RecordedGap& e) { replay.skip(e); }
        void operator()(const RecordedEnd& e) { replay.end(e); }
    } taker{*this};
    alerts_.clear();
    std::visit(taker, entry);
    return {taker.window, alerts_};
}

Replay::Place& Replay::place_of(std::uint32_t port) {
    const auto found = places_.find(port);
    if (found == places_.end())
        refuse(fmt::format("port {} stands there without its service before", port));
    return found->second;
}

std::uint32_t Replay::free_place() const {
    for (std::uint32_t number = 1; number <= JSG_SERVICES; ++number) {
        if (std::none_of(places_.begin(), places_.end(),
                         [&](const auto& place) { return place.second.number == number; }))
            return number;
    }
    refuse(fmt::format("it holds more than {} services at once", JSG_SERVICES));
}

// The service that the recording began with, as it is to be in the replay. given: a baseline that
// is to be in force.
jsg_service Replay::changed(const RecordedService& recorded, const jsg_baseline* given) const {
    jsg_service service = recorded.service;
    if (given || changes_.learn_steps) {
        service = begun_anew(recorded.service);
        service.mode = given ? JSG_MONITORING : JSG_LEARNING;
    } else if (judges_otherwise_) {
        // The first turn sets the thresholds, and what was confirmed by others says nothing.
        service.started_ns = 0;
        std::fill(std::begin(service.alerts), std::end(service.alerts), jsg_alert_track{});
    }
    return service;
}

void Replay::begin(const RecordedService& recorded) {
    const std::uint32_t port = recorded.service.port;
    const jsg_mode mode = recorded.service.mode;
    if (port == 0 || port > max_port || mode > JSG_MONITORING)
        refuse("it holds a service that is none");
    const auto baseline = changes_.baselines.find(static_cast<std::uint16_t>(port));
    const jsg_baseline* given = baseline == changes_.baselines.end() ? nullptr : &baseline->second;
    const bool as_recorded = !given && !changes_.learn_steps;
    if (!places_.contains(port)) places_[port] = {free_place()};
    const jsg_service service = changed(recorded, given);
    kernel_replay_set_service(
        places_[port].number, &service, as_recorded ? pointer(recorded.baseline) : given,
        as_recorded ? pointer(recorded.pending_baseline) : nullptr, recorded.history.data(),
        static_cast<std::uint32_t>(recorded.history.size()));
}

std::optional<jsg_window> Replay::turn(const RecordedWindow& window) {
    const jsg_window& record = window.record;
    Place& place = place_of(record.port);
    const std::uint64_t last = kernel_replay_service(place.number)->sequence;
    if (record.sequence != last + 1)
        refuse(fmt::format("window {} of port {} comes after its window {}", record.sequence,
                           record.port, last));
    const kernel_replay_step step{.record = &record,
                                  .counted = &window.step,
                                  .transitions = window.transitions.data(),
                                  .occupancy = window.occupancy.data(),
                                  .listeners = window.listeners,
                                  .relearn = std::exchange(place.relearns, false)};
    kernel_replay_service_step(place.number, &step);
    ++windows_;
    return *kernel_replay_window(place.number);
}

// The replay learns by itself; but not from windows that are missing.
void Replay::bring_in_force(const RecordedBaseline& learned) {
    Place& place = place_of(learned.port);
    const bool as_recorded = !changes_.learn_steps &&
                             !changes_.baselines.contains(static_cast<std::uint16_t>(learned.port));
    if (!place.is_uncertain || !as_recorded) return;
    kernel_replay_bring_in_force(place.number, &learned.baseline);
    place.is_uncertain = false;
}

void Replay::ask_to_relearn(const RecordedRelearning& relearning) {
    Place& place = place_of(relearning.port);
    if (relearning.sequence <= kernel_replay_service(place.number)->sequence)
        refuse(fmt::format("port {} is asked to relearn with its window {}, which is over",
                           relearning.port, relearning.sequence));
    place.relearns = true;
}

void Replay::skip(const RecordedGap& gap) {
    Place& place = place_of(gap.port);
    if (gap.sequence != kernel_replay_service(place.number)->sequence + 1)
        refuse(fmt::format("the gap in the windows of port {} does not follow on them", gap.port));
    kernel_replay_skip(place.number, gap.windows);
    place.is_uncertain = true;
    missing_ += gap.windows;
}

void Replay::end(const RecordedEnd& end) {
    kernel_replay_clear(place_of(end.port).number);
    places_.erase(end.port);
}

RecordedService Replay::service(std::uint32_t port) const {
    const std::uint32_t number = places_.at(port).number;
    RecordedService found;
    found.service = *kernel_replay_service(number);
    if (found.service.mode == JSG_MONITORING) found.baseline = *kernel_replay_baseline(number);
    if (found.service.mode != JSG_MONITORING || found.service.relearning)
        found.pending_baseline = *kernel_replay_pending_baseline(number);
    for (std::uint32_t ago = kernel_replay_known_steps(number); ago-- > 0;)
        kernel_replay_past_step(number, ago, &found.history.emplace_back());
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
    return "it differs in what a recording does not say";
}

}  // namespace jsguard
