// SPDX-License-Identifier: BSD-2-Clause
// The files of each class of samples, and the part of each file, as the user names them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace jsguard {

// A range of seconds after the end of a recording's first window. A window is inside if its end is.
struct SecondsRange {
    std::uint32_t from = 0;
    std::uint32_t to = std::numeric_limits<std::uint32_t>::max();
    bool whole() const { return from == 0 && to == std::numeric_limits<std::uint32_t>::max(); }
};

struct SampleFile {
    std::filesystem::path path;
    SecondsRange range;  // only for recordings
};

struct SampleClass {
    std::string name;
    std::vector<SampleFile> files;
};
constexpr std::string_view normal_class = "normal";

// The classes that the options name, normal first, with their files. A directory stands for all its
// *.jsonl files, or if there are none, for all its *.json files, sorted by name. Throws
// Error(usage).
// - normal: "PATH" or "PATH@FROM-TO". Either number may be missing.
// - attacks: "NAME=PATH" or "NAME=PATH@FROM-TO". Without NAME= the path belongs to the class
// before.
std::vector<SampleClass> sample_classes(const std::vector<std::string>& normal,
                                        const std::vector<std::string>& attacks);

// Whether the file is a probability file of an earlier tool (.json). Other files are recordings.
bool is_probability_file(const std::filesystem::path& path);

// Whether all files are probability files. Throws Error(usage) if only some are, or if a
// probability file has a range.
bool are_probability_files(const std::vector<SampleClass>& classes);

}  // namespace jsguard
