// SPDX-License-Identifier: BSD-2-Clause
// Reads the state of a running detector.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "observe/observation.hpp"
#include "observe/pinned_detector.hpp"
#include "observe/running_cost.hpp"

namespace jsguard {

// The constructor opens all descriptors. observe() works as long as the maps exist, pinned or not.
class Observer {
  public:
    // The detector must outlive the observer. Throws the errors of MapReader.
    explicit Observer(const PinnedDetector& detector);
    // For the process that has loaded or joined the detector; it needs no privilege later. pin_dir:
    // where the maps are pinned. The reader must outlive the observer.
    Observer(const MapReader& reader, std::string pin_dir, OwnDescriptors own);

    // Waits some milliseconds for a last window that is not published yet. If it remains missing,
    // the service has no window in the observation.
    Observation observe() const;

  private:
    // One attempt to read a service.
    struct Attempt {
        std::optional<ObservedService> service;  // none: the entry is free, or being released
        bool is_complete = true;  // false: the last window is not published yet, or was lost
    };

    Observer(const MapReader& reader, std::string pin_dir, RunningCost cost, bool is_loader);
    Attempt observe_service(std::uint32_t id) const;

    const MapReader& reader_;
    std::string pin_dir_;
    RunningCost cost_;
    bool is_loader_;  // this process reads the detector's alerts
    std::string host_;
    std::string kernel_;
};

}  // namespace jsguard
