// SPDX-License-Identifier: BSD-2-Clause
// Recordings as files of JSON lines. They are written and read entry by entry, in bounded memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "offline/recording/recording.hpp"

namespace jsguard {

// A line without its newline. docs/recordings.md describes the lines.
std::string recording_line(const RecordingHeader& header);
std::string recording_line(const RecordingEntry& entry);

// A message for a file whose last line was cut short; see RecordingReader::cut_lines().
std::string cut_short_text(const std::string& file);

// Reads one file from start to end. The constructor and next() throw Error(usage), whose message
// names the file and the line.
class RecordingReader {
  public:
    explicit RecordingReader(const std::filesystem::path& path);  // reads the header
    ~RecordingReader();
    RecordingReader(const RecordingReader&) = delete;
    RecordingReader& operator=(const RecordingReader&) = delete;

    const RecordingHeader& header() const;
    // The next entry; none at the end.
    std::optional<RecordingEntry> next();
    // 1 if the last line was cut short (for example by a crash of the writer) and left out; else 0.
    std::uint64_t cut_lines() const;
    // Progress: bytes read so far, and the size of the file.
    std::uint64_t bytes_read() const;
    std::uint64_t bytes() const;

  private:
    struct Open;
    std::unique_ptr<Open> open_;
};

}  // namespace jsguard
