// SPDX-License-Identifier: BSD-2-Clause
// Recordings as files of JSON lines: written entry by entry, and read so, in bounded memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "offline/recording/recording.hpp"

namespace jsguard {

// The lines, without newline; docs/recordings.md describes them.
std::string recording_line(const RecordingHeader& header);
std::string recording_line(const RecordingEntry& entry);

// Of a file whose reader has cut_lines().
std::string cut_short_text(const std::string& file);

// Reads one file from its start to its end. All steps throw Error(usage), whose message names the
// file and the line.
class RecordingReader {
  public:
    explicit RecordingReader(const std::filesystem::path& path);  // reads the header
    ~RecordingReader();
    RecordingReader(const RecordingReader&) = delete;
    RecordingReader& operator=(const RecordingReader&) = delete;

    const RecordingHeader& header() const;
    // The next entry; none at the end.
    std::optional<RecordingEntry> next();
    // 1: the last line was cut short, as by a crash while it was written, and left out.
    std::uint64_t cut_lines() const;
    // For a progress bar.
    std::uint64_t bytes_read() const;
    std::uint64_t bytes() const;

  private:
    struct Open;
    std::unique_ptr<Open> open_;
};

}  // namespace jsguard
