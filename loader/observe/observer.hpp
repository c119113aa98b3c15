// SPDX-License-Identifier: BSD-2-Clause
// Looks at a running detector as a whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "observe/observation.hpp"
#include "observe/pinned_detector.hpp"
#include "observe/running_cost.hpp"

namespace jsguard {

// All that it needs is opened when it is made; it can be asked for as long as the detector's maps
// stand, pinned or not.
class Observer {
  public:
    // The detector must outlive the observer. Throws what MapReader does.
    explicit Observer(const PinnedDetector& detector);
    // For the process that has loaded or joined the detector: needs no privilege later. pin_dir:
    // where the maps are pinned. The reader must outlive the observer.
    Observer(const MapReader& reader, std::string pin_dir, OwnDescriptors own);

    // Takes some milliseconds longer while the last window of a service cannot be had; that service
    // then comes without one.
    Observation observe() const;

  private:
    // None of a place without a service. One that is not whole lacks its last window, whose record
    // is not there yet, or was lost.
    struct Look {
        std::optional<ObservedService> service;
        bool whole = true;
    };

    Observer(const MapReader& reader, std::string pin_dir, RunningCost cost, bool is_loader);
    Look look(std::uint32_t place) const;

    const MapReader& reader_;
    std::string pin_dir_;
    RunningCost cost_;
    bool is_loader_;  // this process is the one that reads the detector's alerts
    std::string host_;
    std::string kernel_;
};

}  // namespace jsguard
