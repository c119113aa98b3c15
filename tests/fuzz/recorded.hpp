// SPDX-License-Identifier: BSD-2-Clause
// Checks of an accepted recording: it is the same after writing and reading, and the kernel's code
// replays it.
#pragma once

#include <string>
#include <vector>

#include "common/json_fields.hpp"
#include "fuzz.hpp"
#include "offline/recording/recording_file.hpp"
#include "offline/recording/recording_lines.hpp"
#include "offline/replay/replay.hpp"

namespace fuzz {

struct Recording {
    jsguard::RecordingHeader header;
    std::vector<jsguard::RecordingEntry> entries;
};

/// All entries of a file, or nothing if one of them is refused.
inline std::optional<Recording> read_recording(std::string_view text) {
    const MemoryFile file(text);
    return accepted([&] {
        jsguard::RecordingReader reader(file.path());
        Recording read{reader.header(), {}};
        while (auto entry = reader.next()) read.entries.push_back(std::move(*entry));
        require(reader.bytes_read() == text.size(), "all of a file is read");
        return read;
    });
}

inline void check_lines(const Recording& recording) {
    using namespace jsguard;  // an Error of any function below stops the fuzzer
    const std::string header = recording_line(recording.header);
    require(recording_line(header_of(parse_json(header))) == header,
            "a header is read as it was written");
    for (const RecordingEntry& entry : recording.entries) {
        const std::string line = recording_line(entry);
        require_one_line(line);
        require(recording_line(entry_of(parse_json(line))) == line,
                "an entry is read as it was written");
    }
}

inline void check_window(const jsguard::RecordedWindow& recorded, const jsg_window& found) {
    require(found.port == recorded.record.port && found.sequence == recorded.record.sequence,
            "a window is closed for each recorded one");
    require(found.signal[JSG_TRANSITIONS].js_nanobits <= JSG_NANO &&
                found.signal[JSG_OCCUPANCY].js_nanobits <= JSG_NANO,
            "a divergence is at most 1 bit");
    require(found.signal[JSG_TRANSITIONS].verdict < JSG_VERDICTS &&
                found.signal[JSG_OCCUPANCY].verdict < JSG_VERDICTS,
            "a verdict is in range");
    require(found.signal[JSG_TRANSITIONS].alert <= JSG_ALERT &&
                found.signal[JSG_OCCUPANCY].alert <= JSG_ALERT,
            "an alert's state is in range");
}

/// Replays the recording up to the first entry that is refused, because it cannot follow.
inline void check_replay(const Recording& recording, const jsguard::ReplayChanges& changes) {
    using namespace jsguard;
    Replay replay(recording.header, changes);
    for (const RecordingEntry& entry : recording.entries) {
        const auto replayed = accepted([&] { return replay.take(entry); });
        if (!replayed) return;
        const auto* window = std::get_if<RecordedWindow>(&entry);
        if (window && replayed->window) check_window(*window, *replayed->window);
        if (!std::holds_alternative<RecordedEnd>(entry))
            require(!recording_line(replay.service(recorded_port(entry))).empty(),
                    "a replayed service can be written");
    }
}

}  // namespace fuzz
