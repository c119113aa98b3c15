// SPDX-License-Identifier: BSD-2-Clause
// Follows the services of a running detector and produces the entries of a recording.
#include "observe/recorder.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>
#include <thread>
#include <utility>

namespace jsguard {
namespace {

constexpr int max_attempts = 20;

// The complete state of a service between two service steps.
struct Snapshot {
    jsg_service service{};
    jsg_baseline baseline{};
    jsg_baseline pending_baseline{};
    std::vector<jsg_reading> readings;  // safe to read; the last one is that of .sequence
};

// The number of readings that are safe to read. The oldest reading is not: the next service step
// overwrites it, and may have begun.
std::uint64_t safe_readings(const MapReader& reader) {
    return reader.config().readings_per_service - 1;
}

// None if a service step began during every attempt.
std::optional<Snapshot> take_snapshot(const MapReader& reader, std::uint32_t id) {
    const std::uint64_t safe = safe_readings(reader);
    for (int i = 0; i < max_attempts; ++i) {
        Snapshot snapshot;
        snapshot.service = reader.service(id);
        std::this_thread::sleep_for(service_step_time);
        snapshot.baseline = reader.baseline(id);
        snapshot.pending_baseline = reader.pending_baseline(id);
        const std::uint64_t last = snapshot.service.sequence;
        for (std::uint64_t s = last + 1 > safe ? last + 1 - safe : 0; s <= last; ++s)
            snapshot.readings.push_back(reader.reading(id, s));
        const jsg_service after = reader.service(id);
        if (std::memcmp(&after, &snapshot.service, sizeof(after)) == 0) return snapshot;
    }
    return {};
}

}  // namespace

Recorder::Recorder(const MapReader& reader, std::uint16_t port, Sink sink)
    : reader_(reader), port_(port), sink_(std::move(sink)), followed_(JSG_SERVICES) {}

void Recorder::begin(std::uint32_t id, Followed& followed, const jsg_service& service) {
    if (!service.port || service.mode == JSG_LEAVING || (port_ && service.port != port_)) return;
    const auto snapshot = take_snapshot(reader_, id);
    if (!snapshot || snapshot->service.port != service.port) return;  // the next call retries

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

// The counts of the windows since the last recorded one are lost. Records a gap, and continues with
// the windows after the present one.
void Recorder::record_gap(std::uint32_t id, Followed& followed) {
    const auto snapshot = take_snapshot(reader_, id);
    if (!snapshot || is_another(snapshot->service, followed.service))
        return;  // the next call retries
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

// The windows after that sequence number, as far as they are published. None if their readings were
// overwritten while they were read.
std::optional<std::vector<Recorder::Closed>> Recorder::read_closed(
    std::uint32_t id, std::uint64_t after, const jsg_service& service) const {
    std::vector<Closed> closed;
    if (after == service.sequence) return closed;
    for (std::uint64_t sequence = after + 1; sequence <= service.sequence; ++sequence) {
        const auto record = reader_.window(id, service, sequence);
        // Only the last window may be published later.
        if (!record && sequence == service.sequence) break;
        closed.push_back({sequence, record, reader_.reading(id, sequence)});
    }
    if (after + safe_readings(reader_) < reader_.service(id).sequence) return {};
    return closed;
}

// followed.readings must end with the reading at the end of the window.
RecordedWindow Recorder::recorded(const Followed& followed, const jsg_window& record,
                                  const jsg_service& service) const {
    RecordedWindow window;
    window.record = record;
    window.listeners = service.listeners;
    // At the end of learning the thresholds change after the window was judged. So the thresholds
    // from before the window apply, if they were known.
    const bool were_known = followed.service.threshold_nanobits[JSG_OCCUPANCY] != 0;
    const jsg_service& judged_by = were_known ? followed.service : service;
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

void Recorder::follow_service(std::uint32_t id, Followed& followed) {
    const jsg_service service = reader_.service(id);
    if (followed.service.port && is_another(service, followed.service)) end(followed);
    if (!followed.service.port) return begin(id, followed, service);
    const bool relearns = service.relearn_request != followed.service.relearn_request;
    const bool has_learned = service.baselines_learned != followed.service.baselines_learned;
    const bool changed = relearns || has_learned || service.listeners != followed.service.listeners;
    const auto closed = read_closed(id, followed.sequence, service);
    // With several new windows, it is unknown in which of them the change happened.
    if (!closed || (changed && service.sequence - followed.sequence > 1))
        return record_gap(id, followed);
    // A change is recorded after its window, so wait until the window is published.
    if (closed->empty() && service.sequence != followed.sequence) return;

    if (relearns && !closed->empty())
        sink_(RecordedRelearning{service.port, followed.sequence + 1});
    for (const Closed& one : *closed) hand_on(followed, one, service);
    if (has_learned) sink_(RecordedBaseline{service.port, followed.sequence, reader_.baseline(id)});
    const auto relearn_request = followed.service.relearn_request;
    followed.service = service;
    // The service step that closes a window takes a request up. So the request is recorded only
    // when that window is published.
    if (closed->empty()) followed.service.relearn_request = relearn_request;
}

std::size_t Recorder::following() const {
    return static_cast<std::size_t>(
        std::count_if(followed_.begin(), followed_.end(),
                      [](const Followed& followed) { return followed.service.port != 0; }));
}

void Recorder::follow() {
    for (std::uint32_t id = 1; id <= JSG_SERVICES; ++id) follow_service(id, followed_[id - 1]);
}

}  // namespace jsguard
