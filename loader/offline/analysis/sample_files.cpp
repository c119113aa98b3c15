// SPDX-License-Identifier: BSD-2-Clause
// Finds the files of each class of samples, and the part of each file.
#include "offline/analysis/sample_files.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <system_error>
#include <utility>

#include "common/error.hpp"
#include "common/whole_number.hpp"

namespace jsguard {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const std::string& message) { throw Error(ExitCode::usage, message); }

std::optional<std::uint32_t> seconds(std::string_view text, std::uint32_t if_empty) {
    if (text.empty()) return if_empty;
    return whole_number(text, 0, std::numeric_limits<std::uint32_t>::max());
}

// "60-120", "60-", "-120"
std::optional<SecondsRange> seconds_range(std::string_view text) {
    const std::size_t dash = text.find('-');
    if (dash == std::string_view::npos || text.size() == 1) return {};
    const auto from = seconds(text.substr(0, dash), SecondsRange().from);
    const auto to = seconds(text.substr(dash + 1), SecondsRange().to);
    if (!from || !to || *from > *to) return {};
    return SecondsRange{*from, *to};
}

SampleFile path_and_range(std::string_view text) {
    const std::size_t at = text.rfind('@');
    // A file name may contain "@". If exists() fails, check_file() reports the error.
    std::error_code failed;
    if (at == std::string_view::npos || fs::exists(fs::path(text), failed))
        return {fs::path(text), {}};
    const auto range = seconds_range(text.substr(at + 1));
    if (!range && failed) return {fs::path(text), {}};
    if (!range)
        fail(fmt::format(
            "cannot analyze {}: there is no such file, and the text after @ is no range "
            "of seconds; write it as FILE@60-120, in whole seconds",
            printable(text)));
    return {fs::path(text.substr(0, at)), *range};
}

// The recordings in the directory. If there are none, its probability files.
std::vector<fs::path> files_in(const fs::path& directory) {
    std::vector<fs::path> files, older;
    std::error_code failed;
    fs::directory_iterator entry(directory, failed);
    for (; !failed && entry != fs::directory_iterator(); entry.increment(failed)) {
        const fs::path& path = entry->path();
        if (path.extension() == ".jsonl") files.push_back(path);
        if (is_probability_file(path)) older.push_back(path);
    }
    if (failed)
        fail(fmt::format(
            "cannot read the directory {}: {}; give one that can be read, or its files by "
            "name",
            printable(directory.string()), failed.message()));
    if (files.empty()) files = std::move(older);
    if (files.empty())
        fail(
            fmt::format("the directory {} has neither *.jsonl nor *.json; give recordings made by "
                        "jsguard record",
                        printable(directory.string())));
    std::sort(files.begin(), files.end());
    return files;
}

// Only regular files are allowed, because most files are read twice from the start.
void check_file(const fs::path& path) {
    std::error_code failed;
    const fs::file_status status = fs::status(path, failed);
    if (fs::is_regular_file(status)) return;
    fail(fmt::format(
        "cannot analyze {}: {}; give a recording made by jsguard record, or a directory "
        "of them",
        printable(path.string()), failed ? failed.message() : "it is not a regular file"));
}

void add_files(SampleClass& group, std::string_view text) {
    const SampleFile given = path_and_range(text);
    std::vector<fs::path> paths{given.path};
    std::error_code none;  // check_file() reports the error
    if (fs::is_directory(given.path, none)) paths = files_in(given.path);
    for (const fs::path& path : paths) {
        check_file(path);
        group.files.push_back({path, given.range});
    }
}

SampleClass& attack_class(std::vector<SampleClass>& classes, std::string_view name) {
    if (name.empty() || name == normal_class)
        fail(fmt::format("an attack cannot be named \"{}\"; write --attack NAME=FILE", name));
    const auto found = std::find_if(classes.begin(), classes.end(),
                                    [&](const SampleClass& group) { return group.name == name; });
    if (found != classes.end()) return *found;
    return classes.emplace_back(SampleClass{std::string(name), {}});
}

}  // namespace

bool is_probability_file(const fs::path& path) { return path.extension() == ".json"; }

std::vector<SampleClass> sample_classes(const std::vector<std::string>& normal,
                                        const std::vector<std::string>& attacks) {
    std::vector<SampleClass> classes{{std::string(normal_class), {}}};
    for (const std::string& text : normal) add_files(classes.front(), text);
    std::string name;
    for (const std::string_view text : attacks) {
        const std::size_t equals = text.find('=');
        const bool named = equals != std::string_view::npos;
        if (named) name = text.substr(0, equals);
        if (!named && name.empty())
            fail(fmt::format("the attack {} has no name; write --attack NAME={}", printable(text),
                             printable(text)));
        add_files(attack_class(classes, name), named ? text.substr(equals + 1) : text);
    }
    return classes;
}

bool are_probability_files(const std::vector<SampleClass>& classes) {
    const SampleFile* older = nullptr;
    const SampleFile* recording = nullptr;
    for (const SampleClass& group : classes) {
        for (const SampleFile& file : group.files) {
            const bool is_older = is_probability_file(file.path);
            (is_older ? older : recording) = &file;
            if (is_older && !file.range.whole())
                fail(fmt::format(
                    "cannot select a part of {}: a probability file has no time; leave out the "
                    "range after @",
                    printable(file.path.string())));
        }
    }
    if (older && recording)
        fail(
            fmt::format("cannot analyze probability files and recordings together: {} is a "
                        "probability file, {} is a recording; give only one kind",
                        printable(older->path.string()), printable(recording->path.string())));
    return older != nullptr;
}

}  // namespace jsguard
