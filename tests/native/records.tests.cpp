// SPDX-License-Identifier: BSD-2-Clause
// Tests of the layout of the records that the kernel shares with user space: sizes, offsets, no
// holes.
#include <cstddef>
#include <type_traits>

#include "kernel/jsguard.h"
#include "tests/catch_compat.hpp"

namespace {

struct Field {
    const char* name;
    std::size_t offset;
    std::size_t expected;
};

#define FIELD(record, field, expected) \
    Field { #record "." #field, offsetof(record, field), expected }

}  // namespace

TEST_CASE("no record has a hole", "[records]") {
    // This is true only if each bit of the type belongs to a value, so there is no padding.
    CHECK(std::has_unique_object_representations_v<jsg_config>);
    CHECK(std::has_unique_object_representations_v<jsg_window>);
    CHECK(std::has_unique_object_representations_v<jsg_window_signal>);
    CHECK(std::has_unique_object_representations_v<jsg_window_key>);
    CHECK(std::has_unique_object_representations_v<jsg_alert_track>);
    CHECK(std::has_unique_object_representations_v<jsg_service>);
    CHECK(std::has_unique_object_representations_v<jsg_baseline>);
    CHECK(std::has_unique_object_representations_v<jsg_spread>);
    CHECK(std::has_unique_object_representations_v<jsg_control>);
    CHECK(std::has_unique_object_representations_v<jsg_counters>);
    CHECK(std::has_unique_object_representations_v<jsg_reading>);
    CHECK(std::has_unique_object_representations_v<jsg_top_cell>);
    CHECK(std::has_unique_object_representations_v<jsg_source>);
    CHECK(std::has_unique_object_representations_v<jsg_sources>);
    CHECK(std::has_unique_object_representations_v<jsg_alert>);
    CHECK(std::has_unique_object_representations_v<jsg_stats>);
    CHECK(std::has_unique_object_representations_v<jsg_ticks>);
}

TEST_CASE("the records of this schema have their sizes", "[records]") {
    CHECK(JSG_SCHEMA == 6);
    CHECK(sizeof(jsg_config) == 96);
    CHECK(sizeof(jsg_window) == 168);
    CHECK(sizeof(jsg_window_signal) == 24);
    CHECK(sizeof(jsg_window_key) == 8);
    CHECK(sizeof(jsg_alert_track) == 40);
    CHECK(sizeof(jsg_service) == 320);
    CHECK(sizeof(jsg_spread) == 32);
    CHECK(sizeof(jsg_baseline) == 2 * 32 + 24 + 4 * (196 + 49 + 1));
    CHECK(sizeof(jsg_control) == 8);
    CHECK(sizeof(jsg_counters) == 4 * 196);
    CHECK(sizeof(jsg_reading) == 4 * (196 + 49 + 2));
    CHECK(sizeof(jsg_top_cell) == 16);
    CHECK(sizeof(jsg_source) == 16);
    CHECK(sizeof(jsg_sources) == 96);
    CHECK(sizeof(jsg_alert) == 272);
    CHECK(sizeof(jsg_stats) == 104);
    CHECK(sizeof(jsg_ticks) == 32);
}

TEST_CASE("the fields of this schema have their offsets", "[records]") {
    const Field fields[] = {
        FIELD(jsg_config, step_ns, 0),
        FIELD(jsg_config, schema, 8),
        FIELD(jsg_config, transition_threshold_nanobits, 20),
        FIELD(jsg_config, false_alarm_exponent, 28),
        FIELD(jsg_config, cpus, 56),
        FIELD(jsg_config, netns, 60),
        FIELD(jsg_config, monitor_listeners, 64),
        FIELD(jsg_config, release_after_s, 68),
        FIELD(jsg_window, sequence, 0),
        FIELD(jsg_window, end_ns, 8),
        FIELD(jsg_window, end_unix_ms, 16),
        FIELD(jsg_window, transition_entropy_nanobits, 24),
        FIELD(jsg_window, state_entropy_trend_nanobits, 40),
        FIELD(jsg_window, signal[JSG_TRANSITIONS].kl_nanobits, 48),
        FIELD(jsg_window, signal[JSG_TRANSITIONS].js_nanobits, 56),
        FIELD(jsg_window, signal[JSG_TRANSITIONS].significance_nanobits, 60),
        FIELD(jsg_window, signal[JSG_TRANSITIONS].verdict, 64),
        FIELD(jsg_window, signal[JSG_TRANSITIONS].alert, 68),
        FIELD(jsg_window, signal[JSG_OCCUPANCY].js_nanobits, 80),
        FIELD(jsg_window, signal[JSG_OCCUPANCY].alert, 92),
        FIELD(jsg_window, port, 96),
        FIELD(jsg_window, mode, 100),
        FIELD(jsg_window, sockets, 108),
        FIELD(jsg_window, open_requests, 120),
        FIELD(jsg_window, excess_millisockets, 136),
        FIELD(jsg_window, stalled_millisockets, 140),
        FIELD(jsg_window, stalled_excess_millisockets, 144),
        FIELD(jsg_window, sampled_ppm, 148),
        FIELD(jsg_window, with_waiting, 152),
        FIELD(jsg_window, full_queues, 156),
        FIELD(jsg_alert, number, 0),
        FIELD(jsg_alert, at_unix_ms, 8),
        FIELD(jsg_alert, since_unix_ms, 16),
        FIELD(jsg_alert, duration_ns, 24),
        FIELD(jsg_alert, event, 32),
        FIELD(jsg_alert, signal, 36),
        FIELD(jsg_alert, netns, 40),
        FIELD(jsg_alert, port, 44),
        FIELD(jsg_alert, js_nanobits, 48),
        FIELD(jsg_alert, threshold_nanobits, 52),
        FIELD(jsg_alert, significance_nanobits, 56),
        FIELD(jsg_alert, peak_nanobits, 60),
        FIELD(jsg_alert, open_requests, 76),
        FIELD(jsg_alert, stalled_millisockets, 88),
        FIELD(jsg_alert, top_count, 92),
        FIELD(jsg_alert, top, 96),
        FIELD(jsg_alert, sources, 176),
        FIELD(jsg_sources, sockets, 0),
        FIELD(jsg_sources, distinct, 4),
        FIELD(jsg_sources, top_count, 8),
        FIELD(jsg_sources, inexact, 12),
        FIELD(jsg_sources, top, 16),
        FIELD(jsg_source, address, 0),
        FIELD(jsg_source, prefix_bits, 8),
        FIELD(jsg_source, sockets, 12),
        FIELD(jsg_service, started_ns, 0),
        FIELD(jsg_service, trend_nanobits, 48),
        FIELD(jsg_service, alerts, 176),
        FIELD(jsg_service, threshold_nanobits, 256),
        FIELD(jsg_service, port, 264),
        FIELD(jsg_service, mode, 268),
        FIELD(jsg_service, relearning, 284),
        FIELD(jsg_service, relearn_request, 288),
        FIELD(jsg_service, baselines_learned, 292),
        FIELD(jsg_service, warnings, 296),
        FIELD(jsg_service, untracked_sockets, 312),
        FIELD(jsg_spread, sum_microbits, 0),
        FIELD(jsg_spread, sum_of_squares, 8),
        FIELD(jsg_spread, windows, 16),
        FIELD(jsg_spread, mean_nanobits, 20),
        FIELD(jsg_spread, deviation_nanobits, 24),
        FIELD(jsg_spread, maximum_nanobits, 28),
        FIELD(jsg_baseline, spread, 0),
        FIELD(jsg_baseline, learned_s, 64),
        FIELD(jsg_baseline, queue_full_s, 68),
        FIELD(jsg_baseline, exchanges, 76),
        FIELD(jsg_baseline, waiting_socket_seconds, 84),
        FIELD(jsg_baseline, transition_counts, 88),
        FIELD(jsg_baseline, occupancy_socket_seconds, 88 + 4 * 196),
        FIELD(jsg_control, relearn, 0),
        FIELD(jsg_stats, sources_lost, 56),
        FIELD(jsg_stats, not_enough_traffic, 72),
        FIELD(jsg_stats, alerts, 96),
    };
    for (const Field& field : fields) {
        CAPTURE(field.name);
        CHECK(field.offset == field.expected);
    }
}
