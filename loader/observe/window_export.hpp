// SPDX-License-Identifier: BSD-2-Clause
// Follows the services of a running detector and passes their windows on as rows, in order of time.
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

    // port: 0 for all ports. since_unix_ms: windows that ended earlier are left out. notice:
    // receives one line about each run of missed windows. The reader must outlive the export.
    WindowExport(const MapReader& reader, std::uint16_t port, std::uint64_t since_unix_ms,
                 Sink sink, Notice notice);

    // Passes on the windows since the last call; the first call takes all that are kept. The newest
    // windows wait for the next call: an earlier window of another service may not be published
    // yet.
    void follow();
    // Passes on the waiting windows too.
    void finish();

    std::uint64_t handed_on() const { return handed_on_; }
    std::uint64_t missed() const { return missed_; }
    std::size_t following() const;  // number of services

  private:
    using Thresholds = std::array<std::uint32_t, JSG_SIGNALS>;

    // The service of one entry as it was at the last call of follow().
    struct Followed {
        jsg_service service{};       // .port 0: no service
        std::uint64_t sequence = 0;  // of the last window that was read
        bool begun = false;          // windows after .sequence that cannot be read were missed
    };

    void follow_service(std::uint32_t id, Followed& followed);
    void read_closed(std::uint32_t id, Followed& followed, const jsg_service& service);
    void report_missed(const jsg_service& service, std::uint64_t first, std::uint64_t last);
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
    std::vector<Followed> followed_;  // by service ID - 1
    std::vector<ExportedWindow> pending_rows_;
    std::uint64_t handed_on_ = 0;
    std::uint64_t missed_ = 0;
};

}  // namespace jsguard
