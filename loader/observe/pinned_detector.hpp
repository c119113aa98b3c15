// SPDX-License-Identifier: BSD-2-Clause
// A running detector, opened through its pinned maps.
#pragma once

#include <string>
#include <vector>

#include "common/file_replacement.hpp"
#include "observe/map_reader.hpp"

namespace jsguard {

// Opens the maps in a pin directory. The maps remain readable after the detector has ended. Throws
// Error(runtime) or Error(not_permitted) if a map cannot be opened.
class PinnedDetector {
  public:
    // Throws if no detector is pinned there, or if its maps have other layouts than this build
    // knows.
    explicit PinnedDetector(std::string pin_dir);
    PinnedDetector(const PinnedDetector&) = delete;
    PinnedDetector& operator=(const PinnedDetector&) = delete;

    const std::string& pin_dir() const { return pin_dir_; }
    // False after the pins were removed. A detector that was killed leaves its pins behind.
    bool is_pinned() const;
    const MapReader& reader() const { return reader_; }
    // Opens the map "control" for writing, which needs more rights than reading.
    std::size_t request_relearning() const;

  private:
    FileDescriptor open_map(const ShownMap& map, bool to_write = false) const;
    MapReader open_maps();

    std::string pin_dir_;
    std::vector<FileDescriptor> maps_;
    MapReader reader_;
};

}  // namespace jsguard
