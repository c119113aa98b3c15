// SPDX-License-Identifier: BSD-2-Clause
// Follows a running detector's services and tells what a recording of them holds.
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

// To be asked at least once a step; what it was asked too late for becomes a RecordedGap.
class Recorder {
  public:
    using Sink = std::function<void(const RecordingEntry&)>;

    // port: 0 for all. The reader must outlive the recorder.
    Recorder(const MapReader& reader, std::uint16_t port, Sink sink);

    // Hands on what has happened since the last time.
    void follow();

    std::uint64_t windows() const { return windows_; }
    std::uint64_t missed() const { return missed_; }
    std::uint64_t services() const { return services_; }
    // Services that are being recorded now.
    std::size_t following() const;

  private:
    // A place's service as it was when it was last looked at.
    struct Followed {
        jsg_service service{};             // .port 0: none
        std::uint64_t sequence = 0;        // of the last window that was handed on, or left out
        std::deque<jsg_reading> readings;  // those known, up to that of sequence
    };

    // A window, and the counters' reading at its end.
    struct Closed {
        std::uint64_t sequence;
        std::optional<jsg_window> record;  // none: the kernel could not keep it
        jsg_reading reading;
    };

    void begin(std::uint32_t place, Followed& followed, const jsg_service& service);
    void end(Followed& followed);
    void follow_place(std::uint32_t place, Followed& followed);
    void leave_out(std::uint32_t place, Followed& followed);
    std::optional<std::vector<Closed>> read_closed(std::uint32_t place, std::uint64_t after,
                                                   const jsg_service& service) const;
    void hand_on(Followed& followed, const Closed& closed, const jsg_service& service);
    RecordedWindow recorded(const Followed& followed, const jsg_window& record,
                            const jsg_service& service) const;

    const MapReader& reader_;
    std::uint16_t port_;
    Sink sink_;
    std::vector<Followed> followed_;  // by place less 1
    std::uint64_t windows_ = 0;
    std::uint64_t missed_ = 0;
    std::uint64_t services_ = 0;
};

}  // namespace jsguard
