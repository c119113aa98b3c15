// SPDX-License-Identifier: BSD-2-Clause
// Tests of the layout of what crosses from the kernel: sizes, offsets, no unwritten holes.
#include <cstddef>
#include <type_traits>

#include "../catch_compat.hpp"
#include "jsguard.h"

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
    // True of a type only if each of its bits belongs to a value, so there is no padding.
    CHECK(std::has_unique_object_representations_v<jsg_config>);
    CHECK(std::has_unique_object_representations_v<jsg_window>);
    CHECK(std::has_unique_object_representations_v<jsg_window_key>);
    CHECK(std::has_unique_object_representations_v<jsg_alert_track>);
    CHECK(std::has_unique_object_representations_v<jsg_service>);
    CHECK(std::has_unique_object_representations_v<jsg_baseline>);
    CHECK(std::has_unique_object_representations_v<jsg_top_cell>);
    CHECK(std::has_unique_object_representations_v<jsg_alert>);
    CHECK(std::has_unique_object_representations_v<jsg_stats>);
}

TEST_CASE("the records of this schema have their sizes", "[records]") {
    CHECK(JSG_SCHEMA == 1);
    CHECK(sizeof(jsg_config) == 56);
    CHECK(sizeof(jsg_window) == 144);
    CHECK(sizeof(jsg_window_key) == 8);
    CHECK(sizeof(jsg_alert_track) == 40);
    CHECK(sizeof(jsg_service) == 288);
    CHECK(sizeof(jsg_baseline) == 24 + 4 * (196 + 49));
    CHECK(sizeof(jsg_top_cell) == 16);
    CHECK(sizeof(jsg_alert) == 168);
    CHECK(sizeof(jsg_stats) == 80);
}

TEST_CASE("the fields of this schema have their places", "[records]") {
    const Field fields[] = {
        FIELD(jsg_window, sequence, 0),
        FIELD(jsg_window, end_ns, 8),
        FIELD(jsg_window, end_unix_ms, 16),
        FIELD(jsg_window, transition_kl_nanobits, 24),
        FIELD(jsg_window, state_entropy_trend_nanobits, 56),
        FIELD(jsg_window, port, 64),
        FIELD(jsg_window, mode, 68),
        FIELD(jsg_window, sockets, 76),
        FIELD(jsg_window, open_requests, 88),
        FIELD(jsg_window, excess_millisockets, 104),
        FIELD(jsg_window, transition_js_nanobits, 112),
        FIELD(jsg_window, occupancy_js_nanobits, 116),
        FIELD(jsg_window, occupancy_alert, 132),
        FIELD(jsg_window, reserved, 140),
        FIELD(jsg_alert, number, 0),
        FIELD(jsg_alert, at_unix_ms, 8),
        FIELD(jsg_alert, since_unix_ms, 16),
        FIELD(jsg_alert, duration_ns, 24),
        FIELD(jsg_alert, event, 32),
        FIELD(jsg_alert, signal, 36),
        FIELD(jsg_alert, port, 40),
        FIELD(jsg_alert, js_nanobits, 44),
        FIELD(jsg_alert, peak_nanobits, 52),
        FIELD(jsg_alert, open_requests, 68),
        FIELD(jsg_alert, top_count, 80),
        FIELD(jsg_alert, top, 88),
        FIELD(jsg_service, started_ns, 0),
        FIELD(jsg_service, trend_nanobits, 48),
        FIELD(jsg_service, alerts, 176),
        FIELD(jsg_service, port, 256),
        FIELD(jsg_service, mode, 260),
        FIELD(jsg_service, untracked_sockets, 284),
        FIELD(jsg_baseline, learned_s, 0),
        FIELD(jsg_baseline, exchanges, 8),
        FIELD(jsg_baseline, transition_counts, 24),
        FIELD(jsg_baseline, occupancy_socket_seconds, 24 + 4 * 196),
    };
    for (const Field& field : fields) {
        CAPTURE(field.name);
        CHECK(field.offset == field.expected);
    }
}
