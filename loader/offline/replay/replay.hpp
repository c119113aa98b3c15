// SPDX-License-Identifier: BSD-2-Clause
// Runs recorded windows through the kernel's own code, compiled for user space.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/baseline_file.hpp"
#include "offline/recording/recording.hpp"

namespace jsguard {

// What is to be otherwise than in the recorded detector.
struct ReplayChanges {
    std::optional<std::uint32_t> transition_threshold_nanobits;  // 0: from the spread
    std::optional<std::uint32_t> occupancy_threshold_nanobits;
    std::optional<std::uint32_t> false_alarm_exponent;
    std::optional<std::uint32_t> min_sockets;
    std::optional<std::uint32_t> min_transitions;
    std::optional<std::uint32_t> confirm_steps;
    std::optional<std::uint32_t> clear_steps;
    // Every service without a baseline below relearns from the first of its windows.
    std::optional<std::uint32_t> learn_steps;
    // Of these ports, in force from the first window.
    Baselines baselines;
};

// What an entry of a recording led to.
struct Replayed {
    std::optional<jsg_window> window;
    std::vector<jsg_alert> alerts;  // without sources, which are not recorded
};

// One at a time in a process: the kernel's code keeps its state in globals.
class Replay {
  public:
    explicit Replay(const RecordingHeader& header, ReplayChanges changes = {});
    ~Replay();
    Replay(const Replay&) = delete;
    Replay& operator=(const Replay&) = delete;

    // To be called with each entry in the order of the recording. Throws Error(usage) for one that
    // cannot follow on those before.
    Replayed take(const RecordingEntry& entry);

    // With the changes.
    const jsg_config& config() const { return config_; }
    std::uint64_t windows() const { return windows_; }
    std::uint64_t missing_windows() const { return missing_; }
    // A monitored port's service as it is after its last window.
    RecordedService service(std::uint32_t port) const;

  private:
    struct Place {
        std::uint32_t number = 0;
        bool relearns = false;      // was asked to relearn before its next window
        bool is_uncertain = false;  // windows of it were missing
    };

    void begin(const RecordedService& recorded);
    std::optional<jsg_window> turn(const RecordedWindow& window);
    void bring_in_force(const RecordedBaseline& learned);
    void ask_to_relearn(const RecordedRelearning& relearning);
    void skip(const RecordedGap& gap);
    void end(const RecordedEnd& end);
    Place& place_of(std::uint32_t port);
    std::uint32_t free_place() const;
    jsg_service changed(const RecordedService& recorded, const jsg_baseline* given) const;

    jsg_config config_;
    ReplayChanges changes_;
    bool judges_otherwise_ = false;
    std::map<std::uint32_t, Place> places_;  // by port
    std::vector<jsg_alert> alerts_;          // of the entry that is being taken
    std::uint64_t windows_ = 0;
    std::uint64_t missing_ = 0;
};

// "occupancy/js_bits is 0.13, recorded 0.12": the first field that differs, in the words and the
// order of a recording; none for equal records.
std::optional<std::string> window_difference(const jsg_window& recorded,
                                             const jsg_window& replayed);

}  // namespace jsguard
