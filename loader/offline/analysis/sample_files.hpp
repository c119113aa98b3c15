// SPDX-License-Identifier: BSD-2-Clause
// Which files, and which part of each, are the samples of which class, as the user names them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace jsguard {

// Seconds since the first window of a recording ended; a window is in it if its end is.
struct SecondsRange {
    std::uint32_t from = 0;
    std::uint32_t to = std::numeric_limits<std::uint32_t>::max();
    bool whole() const { return from == 0 && to == std::numeric_limits<std::uint32_t>::max(); }
};

struct SampleFile {
    std::filesystem::path path;
    SecondsRange range;  // of a recording
};

struct SampleClass {
    std::string name;
    std::vector<SampleFile> files;
};
constexpr std::string_view normal_class = "normal";

// The classes that the options name, normal first, and of each its files: of a directory all
// *.jsonl, or if it has none all *.json, in the order of their names. normal: "PATH" or
// "PATH@FROM-TO" each, where either number may be missing; attacks: "NAME=PATH" or
// "NAME=PATH@FROM-TO", or PATH alone for the class named before. Throws Error(usage).
std::vector<SampleClass> sample_classes(const std::vector<std::string>& normal,
                                        const std::vector<std::string>& attacks);

// Whether it is a probability file of an earlier tool (.json); any other is a recording.
bool is_probability_file(const std::filesystem::path& path);

// Whether all files are such; throws Error(usage) if some are and others are recordings, or if a
// probability file is to be read in part.
bool are_probability_files(const std::vector<SampleClass>& classes);

}  // namespace jsguard
