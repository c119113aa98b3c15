// SPDX-License-Identifier: BSD-2-Clause
// Looks at a running detector as a whole.
#pragma once

#include <string>

#include "observation.hpp"
#include "pinned_detector.hpp"
#include "running_cost.hpp"

namespace jsguard {

// All that it needs is opened when it is made; it can be asked for as long as the detector's maps
// stand, pinned or not.
class Observer {
  public:
    // The detector must outlive the observer. Throws what PinnedDetector does.
    explicit Observer(const PinnedDetector& detector);

    Observation observe() const;

  private:
    ObservedService observe_service(std::uint32_t place, const jsg_service& service) const;

    const PinnedDetector& detector_;
    RunningCost cost_;
    std::string host_;
    std::string kernel_;
};

}  // namespace jsguard
