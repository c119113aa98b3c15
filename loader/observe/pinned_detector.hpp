// SPDX-License-Identifier: BSD-2-Clause
// A running detector, found by the maps that it has pinned.
#pragma once

#include <string>
#include <vector>

#include "common/file_replacement.hpp"
#include "observe/map_reader.hpp"

namespace jsguard {

// Opens the maps in a pin directory; they stay readable when the detector has ended. What cannot be
// opened throws Error(runtime), or Error(not_permitted).
class PinnedDetector {
  public:
    // Throws if no detector is pinned there, or one with other layouts than this build knows.
    explicit PinnedDetector(std::string pin_dir);
    PinnedDetector(const PinnedDetector&) = delete;
    PinnedDetector& operator=(const PinnedDetector&) = delete;

    const std::string& pin_dir() const { return pin_dir_; }
    // False once its pins are gone. One that was killed leaves them behind.
    bool is_pinned() const;
    const MapReader& reader() const { return reader_; }
    // As MapReader's: this one opens the map for writing, which takes more rights than reading.
    void request_relearning() const;

  private:
    FileDescriptor open_map(const ShownMap& map, bool to_write = false) const;
    MapReader open_maps();

    std::string pin_dir_;
    std::vector<FileDescriptor> maps_;
    MapReader reader_;
};

}  // namespace jsguard
