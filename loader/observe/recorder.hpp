// SPDX-License-Identifier: BSD-2-Clause
// Follows the services of a running detector and produces the entries of a recording.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "observe/map_reader.hpp"
#include "offline/recording/recording.hpp"

namespace jsguard {

// Call follow() at least once a step. Windows that were read too late become a RecordedGap.
class Recorder {
  public:
    using Sink = std::function<void(const RecordingEntry&)>;

    // port: 0 for all ports. The reader must outlive the recorder.
    Recorder(const MapReader& reader, std::uint16_t port, Sink sink);

    // Passes the entries since the last call to the sink.
    void follow();

    std::uint64_t windows() const { return windows_; }
    std::uint64_t missed() const { return missed_; }
    std::uint64_t services() const { return services_; }
    // Services that are being recorded now.
    std::size_t following() const;

  private:
    // The service of one entry as it was at the last call of follow().
    struct Followed {
        jsg_service service{};             // .port 0: no service
        std::uint64_t sequence = 0;        // of the last window that was recorded, or is in a gap
        std::deque<jsg_reading> readings;  // the last one is that of sequence
    };

    // A closed window, and the reading at its end.
    struct Closed {
        std::uint64_t sequence;
        std::optional<jsg_window> record;  // none: the kernel could not keep it
        jsg_reading reading;
    };

    void begin(std::uint32_t id, Followed& followed, const jsg_service& service);
    void end(Followed& followed);
    void follow_service(std::uint32_t id, Followed& followed);
    void record_gap(std::uint32_t id, Followed& followed);
    std::optional<std::vector<Closed>> read_closed(std::uint32_t id, std::uint64_t after,
                                                   const jsg_service& service) const;
    void hand_on(Followed& followed, const Closed& closed, const jsg_service& service);
    RecordedWindow recorded(const Followed& followed, const jsg_window& record,
                            const jsg_service& service) const;

    const MapReader& reader_;
    std::uint16_t port_;
    Sink sink_;
    std::vector<Followed> followed_;  // by service ID - 1
    std::uint64_t windows_ = 0;
    std::uint64_t missed_ = 0;
    std::uint64_t services_ = 0;
};

}  // namespace jsguard
