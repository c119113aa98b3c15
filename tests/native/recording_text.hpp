// SPDX-License-Identifier: BSD-2-Clause
// Recordings as text for tests: lines, and files of lines.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "offline/recording/recording_file.hpp"
#include "recorded_samples.hpp"

namespace recording_text {

using namespace jsguard;
namespace fs = std::filesystem;
using nlohmann::ordered_json;

// A temporary file with this text. The destructor removes it.
class Recording {
  public:
    explicit Recording(const std::string& text) {
        std::string name = (fs::temp_directory_path() / "jsguard-test-XXXXXX").string();
        const int file = mkstemp(name.data());
        if (file < 0) throw std::runtime_error("cannot make a file");
        close(file);
        path_ = name;
        std::ofstream(path_, std::ios::binary) << text;
    }
    Recording(const Recording&) = delete;
    Recording& operator=(const Recording&) = delete;
    ~Recording() { fs::remove(path_); }
    const fs::path& path() const { return path_; }

  private:
    fs::path path_;
};

inline std::string lines_of(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
}

inline std::vector<RecordingEntry> entries_of(const std::string& text) {
    const Recording file(text);
    RecordingReader reader(file.path());
    std::vector<RecordingEntry> entries;
    while (auto entry = reader.next()) entries.push_back(*entry);
    return entries;
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

constexpr std::uint32_t port = 8080;

inline std::string header_line() { return recording_line(Samples(1).header()); }
inline ordered_json parsed(const RecordingEntry& entry) {
    return ordered_json::parse(recording_line(entry));
}
inline ordered_json service_line() { return parsed(Samples(3).service(port, 60)); }
inline ordered_json window_line() { return parsed(Samples(3).window(port, 61)); }

}  // namespace recording_text
