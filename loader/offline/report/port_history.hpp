// SPDX-License-Identifier: BSD-2-Clause
// The history of one port in a recording, gathered entry by entry in bounded memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "common/cells.hpp"
#include "offline/recording/recording.hpp"
#include "offline/report/heat_map.hpp"
#include "offline/report/timeline.hpp"

namespace jsguard {

// An alert, from the first window with it up to the first window without it.
struct AlertSpan {
    jsg_signal signal = JSG_TRANSITIONS;
    std::uint64_t from_ms = 0;
    std::uint64_t to_ms = 0;
    double peak_bits = 0;
    bool was_up = false;    // the alert was up before the first recorded window
    bool still_up = false;  // the alert was up in the last recorded window
};

struct TimeSpan {
    std::uint64_t from_ms = 0;
    std::uint64_t to_ms = 0;
};

// A window that is shown cell by cell, and the baseline that it was compared with.
struct ShownWindow {
    RecordedWindow window;
    std::optional<jsg_baseline> baseline;  // none: nothing was learned yet
};

// One signal over time, in bits.
struct SignalHistory {
    explicit SignalHistory(std::uint64_t step_ms)
        : divergence(step_ms), threshold(step_ms), significance(step_ms) {}
    Timeline divergence;  // of windows that were judged
    Timeline threshold;
    Timeline significance;
    std::uint64_t windows_above = 0;   // windows that counted towards an alert
    std::optional<ShownWindow> shown;  // the window that the user chose, or the one at the peak
};

// A list of limited length. Spans that do not fit are only counted.
template <typename Span>
struct BoundedSpans {
    static constexpr std::size_t most = 1000;
    std::vector<Span> spans;
    std::uint64_t left_out = 0;

    void add(const Span& span) {
        if (spans.size() < most)
            spans.push_back(span);
        else
            left_out++;
    }
};

class PortHistory {
  public:
    // asked: the sequence number of the window to show; none: show the windows at the peaks.
    PortHistory(std::uint64_t step_ns, std::optional<std::uint64_t> asked);

    void take(const RecordedService& entry);
    void take(const RecordedWindow& entry);
    void take(const RecordedBaseline& entry);
    void take(const RecordedRelearning& entry);
    void take(const RecordedGap& entry);
    void take(const RecordedEnd& entry);
    // Call it after the last entry. Ends open alerts and marks them as still up.
    void finish();

    std::uint64_t windows = 0;
    std::uint64_t first_ms = 0;
    std::uint64_t last_ms = 0;
    std::uint64_t monitored = 0;  // number of windows in mode monitoring
    std::uint64_t missing = 0;    // windows that were not recorded
    std::uint64_t baselines = 0;
    std::uint64_t relearnings = 0;
    std::uint64_t ends = 0;
    std::array<SignalHistory, JSG_SIGNALS> signals;
    Timeline state_entropy, state_entropy_trend, transition_entropy;
    Timeline sockets, idle, open_requests;  // at the last sample of each window
    Timeline open, expected;                // means over each window, without idle sockets
    BoundedSpans<AlertSpan> alerts;         // in the order in which they ended
    BoundedSpans<TimeSpan> gaps, learning;

  private:
    void follow_alert(jsg_signal signal, const RecordedWindow& entry, std::uint64_t at_ms);
    void end_alert(jsg_signal signal, std::uint64_t at_ms, bool still_up);
    void end_learning(std::uint64_t at_ms);
    void consider(jsg_signal signal, const RecordedWindow& entry);

    std::optional<std::uint64_t> asked_;
    std::optional<jsg_baseline> in_force_;
    std::array<std::optional<AlertSpan>, JSG_SIGNALS> up_;
    std::array<bool, JSG_SIGNALS> was_up_{};  // the alert was up when recording began
    std::optional<TimeSpan> learning_now_;
    std::uint64_t missing_now_ = 0;  // windows missing since the last recorded one
};

// The shares of each cell in the window and in the baseline, and its part of the divergence. The
// shares of the baseline are computed as in the detector. Occupancy has JSG_OCCUPANCY_CELLS cells.
// Without with_waiting, the cells of the phase waiting are 0. Without a baseline, only the window's
// shares are set. Empty if the window is empty.
std::vector<CellShare> cell_shares(const ShownWindow& shown, jsg_signal signal);

}  // namespace jsguard
