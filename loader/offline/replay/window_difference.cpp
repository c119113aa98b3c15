// SPDX-License-Identifier: BSD-2-Clause
// Where the record of a replayed window is not the recorded one.
#include "offline/replay/window_difference.hpp"

#include <fmt/format.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "offline/recording/recording_file.hpp"

namespace jsguard {
namespace {

using nlohmann::ordered_json;

ordered_json fields_of(const jsg_window& record) {
    RecordedWindow window;
    window.record = record;
    return ordered_json::parse(recording_line(window));
}

}  // namespace

std::optional<std::string> window_difference(const jsg_window& recorded,
                                             const jsg_window& replayed) {
    if (std::memcmp(&recorded, &replayed, sizeof(recorded)) == 0) return {};
    const ordered_json before = fields_of(recorded), now = fields_of(replayed);
    for (const ordered_json& change : ordered_json::diff(before, now)) {
        const std::string path = change["path"];
        const ordered_json::json_pointer at(path);
        if (now.contains(at) && before.contains(at))
            return fmt::format("{} is {}, recorded {}", path.substr(1), now[at].dump(),
                               before[at].dump());
    }
    return "it differs in what a recording does not say";
}

}  // namespace jsguard
