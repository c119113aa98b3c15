// SPDX-License-Identifier: BSD-2-Clause
// What the detector shows, for Prometheus, once a step.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "load/textfile.hpp"
#include "observe/observer.hpp"
#include "observe/pinned_detector.hpp"

namespace jsguard {

class Exposition {
  public:
    // Throws what PinnedDetector does.
    Exposition(const std::string& pin_dir, OwnDescriptors own, Textfile& textfile);

    // Writes the file if a step has passed since it was written; costs next to nothing if not. What
    // the user is to be told, as Textfile::write().
    std::string update();

  private:
    PinnedDetector detector_;
    Observer observer_;
    Textfile& textfile_;
    std::optional<std::uint64_t> step_;  // that was written last
};

}  // namespace jsguard
