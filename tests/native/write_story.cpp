// SPDX-License-Identifier: BSD-2-Clause
// write-story WINDOWS [HOST [PORT...]]: writes the synthetic recording of recorded_story.hpp to
// stdout.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "common/whole_number.hpp"
#include "offline/recording/recording_file.hpp"
#include "recorded_story.hpp"

using namespace jsguard;

int main(int argc, char** argv) {
    constexpr std::uint64_t min_windows = 100, max_windows = 10'000'000;
    const auto windows = argc > 1 ? whole_number(argv[1], min_windows, max_windows) : std::nullopt;
    if (!windows) {
        fmt::print(stderr, "usage: write-story WINDOWS [HOST [PORT...]], WINDOWS {} to {}\n",
                   min_windows, max_windows);
        return 2;
    }
    Story story;
    story.windows = *windows;
    if (argc > 2) story.host = argv[2];
    const auto write = [](const std::string& line) { fmt::print("{}\n", line); };
    write(recording_line(story_header(story)));
    for (int i = 3; i < std::max(argc, 4); i++) {
        if (i < argc)
            story.port = static_cast<std::uint32_t>(
                whole_number(argv[i], 1, JSG_PORTS - 1).value_or(story.port));
        for_each_entry(story, [&](const RecordingEntry& entry) { write(recording_line(entry)); });
    }
    return std::fflush(stdout) == 0 ? 0 : 1;
}
