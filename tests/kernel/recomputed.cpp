// SPDX-License-Identifier: BSD-2-Clause
// What the window records should contain, computed from the readings by the native arithmetic.
#include "recomputed.hpp"

namespace testbed {

void ReadingLog::take() {
    const auto last = watched_.service(service_id_).sequence;
    for (auto next = readings_.empty() ? 1 : readings_.rbegin()->first + 1; next <= last; ++next) {
        // The detector writes the record after the reading. So if the record exists, the reading is
        // complete.
        if (!window(watched_.detector, service_id_, next)) return;
        readings_[next] = reading(watched_.detector, service_id_, next);
    }
}

const jsg_reading& ReadingLog::at(std::uint64_t sequence) const {
    static const jsg_reading nothing{};
    CAPTURE(sequence);
    if (!sequence) return nothing;
    REQUIRE(readings_.contains(sequence));
    return readings_.at(sequence);
}

void check_record(const Watched& watched, const jsg_window& record, const jsg_reading& newer,
                  const jsg_reading& older, const jsg_baseline* normal) {
    CAPTURE(record.sequence);
    const jsg_config& config = watched.detector.reader().config();
    const Measured occupancy = occupancy_measured(config, newer, older, normal);
    CHECK(record.open_millisockets == occupancy.sockets.open);
    CHECK(record.expected_millisockets == occupancy.sockets.expected);
    CHECK(record.excess_millisockets == occupancy.sockets.excess);
    CHECK(record.stalled_millisockets == occupancy.sockets.stalled);
    CHECK(record.stalled_excess_millisockets == occupancy.sockets.stalled_excess);
    CHECK(record.with_waiting == occupancy.with_waiting);
    CHECK(record.signal[JSG_OCCUPANCY].js_nanobits == occupancy.js);
    CHECK(record.signal[JSG_OCCUPANCY].significance_nanobits == occupancy.significance);
    CHECK(record.transitions == transitions_between(newer, older));
    const Measured transitions =
        normal ? transitions_measured(config, newer, older, *normal) : Measured{};
    CHECK(record.signal[JSG_TRANSITIONS].js_nanobits == transitions.js);
    CHECK(record.signal[JSG_TRANSITIONS].significance_nanobits == transitions.significance);
}

}  // namespace testbed
