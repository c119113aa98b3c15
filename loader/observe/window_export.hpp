// SPDX-License-Identifier: BSD-2-Clause
// Follows a running detector's services and hands on their windows as rows, in order of time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "observe/map_reader.hpp"
#include "observe/running_cost.hpp"
#include "observe/window_columns.hpp"

namespace jsguard {

class WindowExport {
  public:
    using Sink = std::function<void(const ExportedWindow&)>;
    using Notice = std::function<void(const std::string&)>;

    // port: 0 for all; since_unix_ms: windows that ended before are left out. notice is told, once
    // each, what was missed. The reader must outlive it.
    WindowExport(const MapReader& reader, std::uint16_t port, std::uint64_t since_unix_ms,
                 Sink sink, Notice notice);

    // Hands on what has closed since the last time: at first all that is kept. The newest ones wait
    // for the next time, because another service may have closed one before them that is not
    // published yet.
    void follow();
    // Those that wait too.
    void finish();

    std::uint64_t handed_on() const { return handed_on_; }
    std::uint64_t missed() const { return missed_; }
    std::size_t following() const;  // services

  private:
    using Thresholds = std::array<std::uint32_t, JSG_SIGNALS>;

    // A place's service as it was when it was last looked at.
    struct Followed {
        jsg_service service{};       // .port 0: none
        std::uint64_t sequence = 0;  // of the last window that was read
        bool begun = false;          // what is missing after that one was missed
    };

    void follow_place(std::uint32_t place, Followed& followed);
    void read_closed(std::uint32_t place, Followed& followed, const jsg_service& service);
    void miss(const jsg_service& service, std::uint64_t first, std::uint64_t last);
    Thresholds thresholds_of(const jsg_window& window, const Followed& followed,
                             const jsg_service& service) const;
    void hand_on(std::uint64_t until_ns);

    const MapReader& reader_;
    RunningCost cost_;
    std::uint16_t port_;
    std::uint64_t since_unix_ms_;
    std::uint64_t began_ns_;
    Sink sink_;
    Notice notice_;
    std::vector<Followed> followed_;  // by place less 1
    std::vector<ExportedWindow> waiting_;
    std::uint64_t handed_on_ = 0;
    std::uint64_t missed_ = 0;
};

}  // namespace jsguard
