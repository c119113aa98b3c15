// SPDX-License-Identifier: BSD-2-Clause
// Reads the state of a running detector.
#include "observe/observer.hpp"

#include <algorithm>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "common/baseline_file.hpp"
#include "common/bpf_file_system.hpp"
#include "common/clocks.hpp"
#include "observe/following.hpp"

namespace jsguard {
namespace {

// observe() tries this often to read all services completely. It then gives up, because a window
// may have been lost.
constexpr int max_attempts = 5;

// A detector that has just been loaded has not ticked yet: its silence began with the load.
std::uint64_t silence(const Cost& cost) {
    if (!cost.ticks.count) return cost.uptime_ns.value_or(0);
    return silence_ns(cost.ticks.last_ns, clock_ns(CLOCK_MONOTONIC));
}

}  // namespace

Observer::Observer(const PinnedDetector& detector)
    : Observer(detector.reader(), detector.pin_dir(), RunningCost(detector.reader().descriptors()),
               false) {}

Observer::Observer(const MapReader& reader, std::string pin_dir, OwnDescriptors own)
    : Observer(reader, std::move(pin_dir), RunningCost(std::move(own)), true) {}

Observer::Observer(const MapReader& reader, std::string pin_dir, RunningCost cost, bool is_loader)
    : reader_(reader), pin_dir_(std::move(pin_dir)), cost_(std::move(cost)), is_loader_(is_loader) {
    const BaselineOrigin here = origin_here(step_seconds(reader.config()));
    host_ = here.host;
    kernel_ = here.kernel;
}

Observer::Attempt Observer::observe_service(std::uint32_t id) const {
    ObservedService seen;
    seen.service_id = id;
    seen.service = reader_.service(id);
    const jsg_service& service = seen.service;
    if (!service.port || service.mode == JSG_LEAVING) return {};
    const std::uint64_t last = service.sequence;
    if (last) {
        seen.window = reader_.window(id, service, last);
        seen.total_counts = reader_.reading(id, last);
        seen.step_counts = difference(seen.total_counts, reader_.reading(id, last - 1));
        const std::uint64_t steps = std::min<std::uint64_t>(last, reader_.config().window_steps);
        seen.window_counts = difference(seen.total_counts, reader_.reading(id, last - steps));
    }
    const bool monitoring = service.mode == JSG_MONITORING;
    if (monitoring) seen.baseline = reader_.baseline(id);
    if (!monitoring || service.relearning) seen.pending_baseline = reader_.pending_baseline(id);
    const bool is_same_step = reader_.service(id).sequence == last;
    const bool is_complete = is_same_step && (seen.window || !last);
    // The window and the counts may be of different steps.
    if (!is_same_step) seen.window.reset();
    return {std::move(seen), is_complete};
}

Observation Observer::observe() const {
    Observation all;
    all.host = host_;
    all.kernel = kernel_;
    all.unix_ms = unix_now_ms();
    all.attended = is_loader_ ? true : is_attended(reader_, pin_dir_);
    all.is_persisted = has_persisted(pin_dir_);
    all.config = reader_.config();
    all.stats = reader_.stats();
    all.cost = cost_.read();
    all.cost.ticks = reader_.ticks();
    all.silent_ns = silence(all.cost);
    std::vector<std::uint32_t> ids(JSG_SERVICES);
    std::iota(ids.begin(), ids.end(), 1);
    for (int i = 1; !ids.empty(); ++i) {
        std::erase_if(ids, [&](std::uint32_t id) {
            Attempt seen = observe_service(id);
            const bool again = seen.service && !seen.is_complete && i < max_attempts;
            if (seen.service && !again) all.services.push_back(std::move(*seen.service));
            return !again;
        });
        if (!ids.empty()) std::this_thread::sleep_for(service_step_time);
    }
    std::sort(all.services.begin(), all.services.end(),
              [](const auto& a, const auto& b) { return a.service.port < b.service.port; });
    return all;
}

}  // namespace jsguard
