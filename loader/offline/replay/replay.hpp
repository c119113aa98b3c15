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

// Changes against the configuration and the baselines of the recording.
struct ReplayChanges {
    std::optional<std::uint32_t> transition_threshold_nanobits;  // 0: from the spread
    std::optional<std::uint32_t> occupancy_threshold_nanobits;
    std::optional<std::uint32_t> false_alarm_exponent;
    std::optional<std::uint32_t> min_sockets;
    std::optional<std::uint32_t> min_transitions;
    std::optional<std::uint32_t> confirm_steps;
    std::optional<std::uint32_t> clear_steps;
    // If set, services without a baseline in .baselines learn from their first window on.
    std::optional<std::uint32_t> learn_steps;
    // Baselines that are in force from the first window on.
    Baselines baselines;
};

// The result of replaying one entry of a recording.
struct Replayed {
    std::optional<jsg_window> window;
    std::vector<jsg_alert> alerts;  // without sources, which are not recorded
};

// A process can make one replay at a time, because the kernel's code keeps its state in globals.
class Replay {
  public:
    explicit Replay(const RecordingHeader& header, ReplayChanges changes = {});
    ~Replay();
    Replay(const Replay&) = delete;
    Replay& operator=(const Replay&) = delete;

    // Call it with each entry, in the order of the recording. Throws Error(usage) for an entry that
    // must not follow the earlier ones.
    Replayed take(const RecordingEntry& entry);

    // The configuration, changes included.
    const jsg_config& config() const { return config_; }
    std::uint64_t windows() const { return windows_; }
    std::uint64_t missing_windows() const { return missing_; }
    // The state of a port's service after its last window.
    RecordedService service(std::uint32_t port) const;

  private:
    struct ServiceEntry {
        std::uint32_t id = 0;
        bool relearns = false;  // it was asked to relearn with its next window
        bool has_gap = false;   // windows were missing since its last baseline
    };

    void begin(const RecordedService& recorded);
    std::optional<jsg_window> make_step(const RecordedWindow& window);
    void bring_in_force(const RecordedBaseline& learned);
    void ask_to_relearn(const RecordedRelearning& relearning);
    void skip(const RecordedGap& gap);
    void end(const RecordedEnd& end);
    ServiceEntry& service_entry(std::uint32_t port);
    std::uint32_t free_service_id() const;
    jsg_service changed(const RecordedService& recorded, const jsg_baseline* given) const;

    jsg_config config_;
    ReplayChanges changes_;
    bool is_judging_changed_ = false;
    std::map<std::uint32_t, ServiceEntry> entries_;  // by port
    std::vector<jsg_alert> alerts_;                  // alerts of the present entry
    std::uint64_t windows_ = 0;
    std::uint64_t missing_ = 0;
};

// "occupancy/js_bits is 0.13, recorded 0.12": the first field that differs, with the names and in
// the order of a recording. None if the records are equal.
std::optional<std::string> window_difference(const jsg_window& recorded,
                                             const jsg_window& replayed);

}  // namespace jsguard
