// SPDX-License-Identifier: BSD-2-Clause
// Recorded entries of random values for tests. Every byte that a recording keeps is random, within
// the range of its field.
#pragma once

#include <cstring>
#include <numeric>
#include <random>
#include <utility>

#include "common/json_fields.hpp"
#include "kernel/significance.h"
#include "load/options.hpp"
#include "offline/recording/recording.hpp"

namespace jsguard {

// Random: a function object that returns random numbers of 64 bits.
template <class Random>
class SamplesOf {
  public:
    explicit SamplesOf(Random random) : random_(std::move(random)) {}

    // A record of random bytes, also in fields that a later version adds.
    template <class Record>
    Record any() {
        Record record{};
        auto* bytes = reinterpret_cast<unsigned char*>(&record);
        for (std::size_t i = 0; i < sizeof(record); ++i)
            bytes[i] = static_cast<unsigned char>(random_());
        return record;
    }
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
    std::uint32_t below32(std::uint32_t bound) { return static_cast<std::uint32_t>(below(bound)); }
    // A divergence. It is exactly 0 or exactly 1 bit in one of ten calls each.
    std::uint32_t bits() {
        const std::uint64_t chosen = below(10);
        return chosen == 0 ? 0 : chosen == 1 ? JSG_NANO : below32(JSG_NANO + 1);
    }

    jsg_config config() {
        auto config = any<jsg_config>();
        const std::uint32_t step_s = 1 + below32(max_window_s);
        config.schema = JSG_SCHEMA;
        config.step_ns = std::uint64_t{step_s} * JSG_NANO;
        config.window_steps = 1 + below32(max_window_s / step_s);
        config.learn_steps = 1 + below32(7000);
        config.transition_threshold_nanobits = bits();
        config.occupancy_threshold_nanobits = bits();
        config.false_alarm_exponent = 1 + below32(JSG_SIGNIFICANCE_EXPONENTS);
        config.min_rate |= 1;
        config.confirm_steps |= 1;
        config.clear_steps |= 1;
        config.readings_per_service = jsg_readings_needed(config.window_steps) + below32(2);
        config.monitor_listeners = below(2);
        config.has_rdonly_cast = below(2);
        std::memset(config.reserved, 0, sizeof(config.reserved));
        config.release_after_s = 0;  // not recorded: a replayed service keeps its entry
        config.instance = config.program_hash = config.options_hash = 0;  // not recorded
        return config;
    }

    RecordingHeader header() { return {"web1 \"\xc3\xa4\"", "6.18.0", random_(), config()}; }

    // Fills a third of the cells. The sum of all is at max_total max_total.
    template <std::size_t cells>
    void counts(__u32 (&counts)[cells], std::uint32_t max_total) {
        for (__u32& count : counts) count = below(3) ? 0 : below32(max_total / cells);
    }

    jsg_reading reading() {
        auto reading = any<jsg_reading>();
        for (__u32& count : reading.transitions) count = count / JSG_TRANSITION_CELLS * below32(2);
        for (__u32& count : reading.occupancy) count = count / JSG_PHASE_CELLS * below32(2);
        return reading;
    }

    jsg_baseline baseline() {
        auto baseline = any<jsg_baseline>();
        baseline.reserved = 0;
        baseline.learned_s |= 1;
        baseline.queue_full_s = below32(baseline.learned_s);
        for (jsg_spread& spread : baseline.spread) {
            spread.mean_nanobits = bits();
            spread.deviation_nanobits = bits();
            spread.maximum_nanobits = bits();
        }
        counts(baseline.transition_counts, UINT32_MAX);
        counts(baseline.occupancy_socket_seconds, UINT32_MAX);
        baseline.transition_counts[0] |= JSG_BASELINE_TRANSITIONS;
        baseline.occupancy_socket_seconds[0] |= JSG_BASELINE_SOCKET_SECONDS;
        add_totals(baseline);
        return baseline;
    }

    // In half of the calls it is empty, as before the first step.
    jsg_baseline pending_baseline() {
        jsg_baseline pending_baseline = baseline();
        if (below(2)) return pending_baseline;
        std::memset(pending_baseline.transition_counts, 0,
                    sizeof(pending_baseline.transition_counts));
        pending_baseline.learned_s = pending_baseline.queue_full_s = 0;
        add_totals(pending_baseline);
        return pending_baseline;
    }

    RecordedService service(std::uint32_t port, std::uint64_t sequence) {
        RecordedService recorded;
        jsg_service& service = recorded.service;
        service = any<jsg_service>();
        service.port = port;
        service.sequence = sequence;
        service.mode = static_cast<jsg_mode>(below(JSG_LEAVING + 1));
        service.mode_before = JSG_FREE;  // not recorded, and neither is reserved
        service.reserved = 0;
        service.pinned = below32(2);
        service.relearning = below32(2);
        service.trend_sum_nanobits = below(max_exact);
        for (__u64& entropy : service.trend_nanobits) entropy = below(max_exact);
        for (std::size_t signal = 0; signal < JSG_SIGNALS; ++signal) {
            service.threshold_nanobits[signal] = bits();
            service.alerts[signal].peak_nanobits = bits();
            service.alerts[signal].state = static_cast<jsg_alert_state>(below(JSG_ALERT + 1));
        }
        if (service.mode == JSG_MONITORING || below(2)) recorded.baseline = baseline();
        if (below(2)) recorded.pending_baseline = pending_baseline();
        for (std::uint64_t steps = below(5); steps > 0; --steps)
            recorded.history.push_back(reading());
        return recorded;
    }

    RecordedWindow window(std::uint32_t port, std::uint64_t sequence) {
        RecordedWindow window;
        jsg_window& record = window.record;
        record = any<jsg_window>();
        record.port = port;
        record.sequence = sequence;
        record.reserved = 0;
        for (auto* entropy :
             {&record.signal[JSG_TRANSITIONS].kl_nanobits,
              &record.signal[JSG_OCCUPANCY].kl_nanobits, &record.transition_entropy_nanobits,
              &record.state_entropy_nanobits, &record.state_entropy_trend_nanobits})
            *entropy = below(max_exact);
        for (auto* js : {&record.signal[JSG_TRANSITIONS].js_nanobits,
                         &record.signal[JSG_OCCUPANCY].js_nanobits})
            *js = bits();
        for (auto* bound : {&record.signal[JSG_TRANSITIONS].significance_nanobits,
                            &record.signal[JSG_OCCUPANCY].significance_nanobits})
            *bound = below(4) ? below32(UINT32_MAX) : UINT32_MAX;  // the saturated value
        record.mode = static_cast<jsg_mode>(below(JSG_LEAVING + 1));
        record.signal[JSG_TRANSITIONS].verdict = static_cast<jsg_verdict>(below(JSG_VERDICTS));
        record.signal[JSG_OCCUPANCY].verdict = static_cast<jsg_verdict>(below(JSG_VERDICTS));
        record.signal[JSG_TRANSITIONS].alert = static_cast<jsg_alert_state>(below(JSG_ALERT + 1));
        record.signal[JSG_OCCUPANCY].alert = static_cast<jsg_alert_state>(below(JSG_ALERT + 1));
        record.with_waiting = below32(2);
        window.threshold_nanobits = {bits(), bits()};
        for (std::uint32_t& count : window.transitions)
            count = below(3) ? 0 : below32(UINT32_MAX / JSG_TRANSITION_CELLS);
        for (std::uint32_t& count : window.occupancy)
            count = below(3) ? 0 : below32(UINT32_MAX / JSG_PHASE_CELLS);
        record.transitions = total(window.transitions, "");
        window.step = reading();
        window.listeners = below32(UINT32_MAX);
        return window;
    }

  private:
    static void add_totals(jsg_baseline& baseline) {
        const std::span<const __u32> occupancy(baseline.occupancy_socket_seconds);
        baseline.transitions = total(baseline.transition_counts, "");
        baseline.judged_socket_seconds = total(occupancy.first(JSG_JUDGED_CELLS), "");
        baseline.waiting_socket_seconds = total(occupancy.subspan(JSG_JUDGED_CELLS), "");
    }

    Random random_;
};

class Samples : public SamplesOf<std::mt19937_64> {
  public:
    explicit Samples(std::uint64_t seed) : SamplesOf(std::mt19937_64(seed)) {}
};

// A window with as many filled cells as a server has that ends connections in a few ways.
inline RecordedWindow typical_window(std::uint32_t port, std::uint64_t sequence) {
    Samples samples(sequence);
    RecordedWindow window = samples.window(port, sequence);
    const auto thin = [](auto& counts, std::size_t used) {
        for (std::size_t cell = 0; cell < std::size(counts); ++cell)
            counts[cell] = cell < used ? static_cast<std::uint32_t>(100 + cell) : 0;
    };
    thin(window.transitions, 12);
    thin(window.occupancy, 15);
    thin(window.step.transitions, 12);
    thin(window.step.occupancy, 15);
    window.record.transitions = total(window.transitions, "");
    return window;
}

}  // namespace jsguard
