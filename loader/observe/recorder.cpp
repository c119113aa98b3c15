// SPDX-License-Identifier: BSD-2-Clause
// Follows a running detector's services and tells what a recording of them holds.
#include "observe/recorder.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>
#include <thread>
#include <utility>

namespace jsguard {
namespace {

constexpr int attempts = 20;

// All of a service between two of its turns. None if its turns left no time, which does not happen.
struct Snapshot {
    jsg_service service{};
    jsg_baseline baseline{};
    jsg_baseline pending_baseline{};
    std::vector<jsg_reading> readings;  // those that are kept for sure, the last of .sequence
};

// The last readings that can be read: the next turn overwrites the oldest, and may have begun.
std::uint64_t sure_readings(const MapReader& reader) {
    return reader.config().readings_per_service - 1;
}

std::optional<Snapshot> take_snapshot(const MapReader& reader, std::uint32_t place) {
    const std::uint64_t sure = sure_readings(reader);
    for (int i = 0; i < attempts; ++i) {
        Snapshot snapshot;
        snapshot.service = reader.service(place);
        std::this_thread::sleep_for(service_step_time);
        snapshot.baseline = reader.baseline(place);
        snapshot.pending_baseline = reader.pending_baseline(place);
        const std::uint64_t last = snapshot.service.sequence;
        for (std::uint64_t s = last + 1 > sure ? last + 1 - sure : 0; s <= last; ++s)
            snapshot.readings.push_back(reader.reading(place, s));
        const jsg_service after = reader.service(place);
        if (std::memcmp(&after, &snapshot.service, sizeof(after)) == 0) return snapshot;
    }
    return {};
}

}  // namespace

Recorder::Recorder(const MapReader& reader, std::uint16_t port, Sink sink)
    : reader_(reader), port_(port), sink_(std::move(sink)), followed_(JSG_SERVICES) {}

void Recorder::begin(std::uint32_t place, Followed& followed, const jsg_service& service) {
    if (!service.port || service.mode == JSG_LEAVING || (port_ && service.port != port_)) return;
    const auto snapshot = take_snapshot(reader_, place);
    if (!snapshot || snapshot->service.port != service.port) return;  // at the next call

    RecordedService recorded;
    recorded.service = snapshot->service;
    const bool monitoring = snapshot->service.mode == JSG_MONITORING;
    if (monitoring) recorded.baseline = snapshot->baseline;
    if (!monitoring || snapshot->service.relearning)
        recorded.pending_baseline = snapshot->pending_baseline;
    for (std::size_t i = 1; i < snapshot->readings.size(); ++i)
        recorded.history.push_back(difference(snapshot->readings[i], snapshot->readings[i - 1]));
    followed.service = snapshot->service;
    followed.sequence = snapshot->service.sequence;
    followed.readings.assign(snapshot->readings.begin(), snapshot->readings.end());
    ++services_;
    sink_(recorded);
}

void Recorder::end(Followed& followed) {
    if (followed.service.port) sink_(RecordedEnd{followed.service.port, followed.sequence});
    followed = {};
}

// What the next windows counted cannot be told: goes on with those after the last.
void Recorder::leave_out(std::uint32_t place, Followed& followed) {
    const auto snapshot = take_snapshot(reader_, place);
    if (!snapshot || is_another(snapshot->service, followed.service)) return;  // at the next call
    const jsg_service& service = snapshot->service;
    const std::uint64_t last = service.sequence;
    sink_(RecordedGap{service.port, followed.sequence + 1, last - followed.sequence});
    missed_ += last - followed.sequence;
    if (service.baselines_learned != followed.service.baselines_learned)
        sink_(RecordedBaseline{service.port, last, snapshot->baseline});
    if (service.relearn_request != followed.service.relearn_request &&
        (service.relearning || service.mode != JSG_MONITORING))
        sink_(RecordedRelearning{service.port, last + 1});
    followed.service = service;
    followed.sequence = last;
    followed.readings.assign(snapshot->readings.begin(), snapshot->readings.end());
}

// The windows after the last that was handed on, as far as they are published. None if their
// readings were overwritten meanwhile.
std::optional<std::vector<Recorder::Closed>> Recorder::read_closed(
    std::uint32_t place, std::uint64_t after, const jsg_service& service) const {
    std::vector<Closed> closed;
    if (after == service.sequence) return closed;
    for (std::uint64_t sequence = after + 1; sequence <= service.sequence; ++sequence) {
        const auto record = reader_.window(place, service, sequence);
        // Only the last may still come.
        if (!record && sequence == service.sequence) break;
        closed.push_back({sequence, record, reader_.reading(place, sequence)});
    }
    if (after + sure_readings(reader_) < reader_.service(place).sequence) return {};
    return closed;
}

// readings: up to that of the window's end.
RecordedWindow Recorder::recorded(const Followed& followed, const jsg_window& record,
                                  const jsg_service& service) const {
    RecordedWindow window;
    window.record = record;
    window.listeners = service.listeners;
    // The end of learning changes the thresholds after the window was judged.
    const bool started = followed.service.threshold_nanobits[JSG_OCCUPANCY] != 0;
    const jsg_service& judged_by = started ? followed.service : service;
    std::copy(std::begin(judged_by.threshold_nanobits), std::end(judged_by.threshold_nanobits),
              window.threshold_nanobits.begin());

    const auto& readings = followed.readings;
    const jsg_reading& last = readings.back();
    window.step = difference(last, readings.at(readings.size() - 2));
    const std::size_t steps =
        std::min<std::uint64_t>(record.sequence, reader_.config().window_steps);
    const jsg_reading counts = difference(last, readings.at(readings.size() - 1 - steps));
    std::copy(std::begin(counts.transitions), std::end(counts.transitions),
              window.transitions.begin());
    std::copy(std::begin(counts.occupancy), std::end(counts.occupancy), window.occupancy.begin());
    return window;
}

void Recorder::hand_on(Followed& followed, const Closed& closed, const jsg_service& service) {
    auto& readings = followed.readings;
    readings.push_back(closed.reading);
    if (closed.record) {
        sink_(recorded(followed, *closed.record, service));
        ++windows_;
    } else {
        sink_(RecordedGap{service.port, closed.sequence, 1});
        ++missed_;
    }
    if (readings.size() > reader_.config().readings_per_service) readings.pop_front();
    followed.sequence = closed.sequence;
}

void Recorder::follow_place(std::uint32_t place, Followed& followed) {
    const jsg_service service = reader_.service(place);
    if (followed.service.port && is_another(service, followed.service)) end(followed);
    if (!followed.service.port) return begin(place, followed, service);
    const bool learns_anew = service.relearn_request != followed.service.relearn_request;
    const bool has_learned = service.baselines_learned != followed.service.baselines_learned;
    const bool changed =
        learns_anew || has_learned || service.listeners != followed.service.listeners;
    const auto closed = read_closed(place, followed.sequence, service);
    // In which of several windows something changed, nobody can tell any more.
    if (!closed || (changed && service.sequence - followed.sequence > 1))
        return leave_out(place, followed);
    // What changed with a window is told after it.
    if (closed->empty() && service.sequence != followed.sequence) return;

    if (learns_anew && !closed->empty())
        sink_(RecordedRelearning{service.port, followed.sequence + 1});
    for (const Closed& one : *closed) hand_on(followed, one, service);
    if (has_learned)
        sink_(RecordedBaseline{service.port, followed.sequence, reader_.baseline(place)});
    const auto relearn_request = followed.service.relearn_request;
    followed.service = service;
    // A request is taken up in the turn that closes a window: it counts once that one is there.
    if (closed->empty()) followed.service.relearn_request = relearn_request;
}

std::size_t Recorder::following() const {
    return static_cast<std::size_t>(
        std::count_if(followed_.begin(), followed_.end(),
                      [](const Followed& followed) { return followed.service.port != 0; }));
}

void Recorder::follow() {
    for (std::uint32_t place = 1; place <= JSG_SERVICES; ++place)
        follow_place(place, followed_[place - 1]);
}

}  // namespace jsguard
