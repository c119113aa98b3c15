// SPDX-License-Identifier: BSD-2-Clause
// Looks at a running detector as a whole.
#include "observe/observer.hpp"

#include <algorithm>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include "common/baseline_file.hpp"
#include "common/bpf_file_system.hpp"
#include "common/clocks.hpp"
#include "common/directory_lock.hpp"

namespace jsguard {
namespace {

// All services together are waited for so often: the window of one may have been lost.
constexpr int attempts = 5;

// One that has just been loaded has not ticked yet.
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

Observer::Look Observer::look(std::uint32_t place) const {
    ObservedService seen;
    seen.place = place;
    seen.service = reader_.service(place);
    const jsg_service& service = seen.service;
    if (!service.port || service.mode == JSG_LEAVING) return {};
    const std::uint64_t last = service.sequence;
    if (last) {
        seen.window = reader_.window(place, service, last);
        seen.total_counts = reader_.reading(place, last);
        seen.step_counts = difference(seen.total_counts, reader_.reading(place, last - 1));
        const std::uint64_t steps = std::min<std::uint64_t>(last, reader_.config().window_steps);
        seen.window_counts = difference(seen.total_counts, reader_.reading(place, last - steps));
    }
    const bool monitoring = service.mode == JSG_MONITORING;
    if (monitoring) seen.baseline = reader_.baseline(place);
    if (!monitoring || service.relearning) seen.pending_baseline = reader_.pending_baseline(place);
    const bool stood_still = reader_.service(place).sequence == last;
    const bool whole = stood_still && (seen.window || !last);
    // What else was read may be of another step.
    if (!stood_still) seen.window.reset();
    return {std::move(seen), whole};
}

Observation Observer::observe() const {
    Observation all;
    all.host = host_;
    all.kernel = kernel_;
    all.unix_ms = unix_now_ms();
    // Who holds the pin directory reads the detector's alerts.
    all.attended = is_loader_ ? true : is_locked(pin_dir_);
    all.stays = has_persisted(pin_dir_);
    all.config = reader_.config();
    all.stats = reader_.stats();
    all.cost = cost_.read();
    all.cost.ticks = reader_.ticks();
    all.silent_ns = silence(all.cost);
    std::vector<std::uint32_t> places(JSG_SERVICES);
    std::iota(places.begin(), places.end(), 1);
    for (int i = 1; !places.empty(); ++i) {
        std::erase_if(places, [&](std::uint32_t place) {
            Look seen = look(place);
            const bool again = seen.service && !seen.whole && i < attempts;
            if (seen.service && !again) all.services.push_back(std::move(*seen.service));
            return !again;
        });
        if (!places.empty()) std::this_thread::sleep_for(service_step_time);
    }
    std::sort(all.services.begin(), all.services.end(),
              [](const auto& a, const auto& b) { return a.service.port < b.service.port; });
    return all;
}

}  // namespace jsguard
