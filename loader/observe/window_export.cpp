// SPDX-License-Identifier: BSD-2-Clause
// Follows the services of a running detector and passes their windows on as rows, in order of time.
#include "observe/window_export.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "common/clocks.hpp"
#include "common/quantity_text.hpp"

namespace jsguard {
namespace {

// The kernel needs much less than this from the end time of a window to its record in the map.
constexpr std::uint64_t publishing_ns = 50'000'000;

}  // namespace

WindowExport::WindowExport(const MapReader& reader, std::uint16_t port, std::uint64_t since_unix_ms,
                           Sink sink, Notice notice)
    : reader_(reader),
      cost_(reader.descriptors()),
      port_(port),
      since_unix_ms_(since_unix_ms),
      began_ns_(clock_ns(CLOCK_MONOTONIC)),
      sink_(std::move(sink)),
      notice_(std::move(notice)),
      followed_(JSG_SERVICES) {}

std::size_t WindowExport::following() const {
    return static_cast<std::size_t>(
        std::count_if(followed_.begin(), followed_.end(),
                      [](const Followed& followed) { return followed.service.port != 0; }));
}

void WindowExport::report_missed(const jsg_service& service, std::uint64_t first,
                                 std::uint64_t last) {
    const std::uint64_t count = last - first + 1;
    missed_ += count;
    notice_(fmt::format("port {}: {} from number {} on {} missed", service.port,
                        counted(count, "window", "windows"), first, count == 1 ? "was" : "were"));
}

// A threshold from the options is always in force. A threshold from the spread is set at the end of
// learning, after the window of that step was judged. With several new windows, it is unknown which
// of them ended the learning.
WindowExport::Thresholds WindowExport::thresholds_of(const jsg_window& window,
                                                     const Followed& followed,
                                                     const jsg_service& service) const {
    const jsg_config& config = reader_.config();
    Thresholds thresholds = {config.transition_threshold_nanobits,
                             config.occupancy_threshold_nanobits};
    const bool seen_closing = followed.begun && window.end_ns > began_ns_;
    for (std::size_t signal = 0; signal < thresholds.size(); ++signal) {
        if (thresholds[signal] || !seen_closing) continue;
        const std::uint32_t before = followed.service.threshold_nanobits[signal];
        if (before == service.threshold_nanobits[signal] ||
            service.sequence - followed.service.sequence == 1)
            thresholds[signal] = before;
    }
    return thresholds;
}

void WindowExport::read_closed(std::uint32_t id, Followed& followed, const jsg_service& service) {
    std::uint64_t first = followed.sequence + 1;
    if (const std::uint64_t oldest = oldest_window(service); first < oldest) {
        if (followed.begun) report_missed(service, first, oldest - 1);
        first = oldest;
    }
    for (std::uint64_t sequence = first; sequence <= service.sequence; ++sequence) {
        if (const auto window = reader_.window(id, service, sequence)) {
            pending_rows_.push_back({*window, thresholds_of(*window, followed, service), {}});
        } else if (sequence == service.sequence) {
            break;  // not published yet
        } else if (followed.begun) {
            report_missed(service, sequence, sequence);
        }
        followed.sequence = sequence;
    }
}

void WindowExport::follow_service(std::uint32_t id, Followed& followed) {
    const jsg_service service = reader_.service(id);
    if (followed.service.port && is_another(service, followed.service)) followed = {};
    if (!service.port || (port_ && service.port != port_)) return;
    read_closed(id, followed, service);
    followed.service = service;
    followed.service.sequence = followed.sequence;
    followed.begun = true;
}

void WindowExport::hand_on(std::uint64_t until_ns) {
    std::stable_sort(pending_rows_.begin(), pending_rows_.end(), [](const auto& a, const auto& b) {
        return std::tie(a.window.end_ns, a.window.port) < std::tie(b.window.end_ns, b.window.port);
    });
    const auto end = std::find_if(pending_rows_.begin(), pending_rows_.end(),
                                  [&](const auto& row) { return row.window.end_ns >= until_ns; });
    if (end == pending_rows_.begin()) return;
    Cost cost = cost_.read();
    cost.ticks = reader_.ticks();
    // The newest windows at the start of the export have the cost too. So the cost is exported even
    // without --follow.
    const std::uint64_t newest_ns =
        began_ns_ - std::min<std::uint64_t>(began_ns_, reader_.config().step_ns);
    for (auto row = pending_rows_.begin(); row != end; ++row) {
        if (row->window.end_unix_ms < since_unix_ms_) continue;
        if (row->window.end_ns > newest_ns) row->cost = cost;
        sink_(*row);
        ++handed_on_;
    }
    pending_rows_.erase(pending_rows_.begin(), end);
}

void WindowExport::follow() {
    const std::uint64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    for (std::uint32_t id = 1; id <= JSG_SERVICES; ++id) follow_service(id, followed_[id - 1]);
    hand_on(now_ns - std::min(now_ns, publishing_ns));
}

void WindowExport::finish() { hand_on(UINT64_MAX); }

}  // namespace jsguard
