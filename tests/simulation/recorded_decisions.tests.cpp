// SPDX-License-Identifier: BSD-2-Clause
// The simulator's judges decide about recorded windows as the detector did that recorded them.
#include <array>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "offline/recording/recording_file.hpp"
#include "offline/replay/replay.hpp"
#include "tests/catch_compat.hpp"
#include "tests/simulation/judges.hpp"

using namespace simulation;

namespace {

constexpr std::uint32_t judge_id = 1;

const jsg_baseline* pointer(const std::optional<jsg_baseline>& baseline) {
    return baseline ? &*baseline : nullptr;
}

struct Decisions {
    std::uint32_t windows = 0, baselines = 0, raised = 0, recorded_raises = 0;
};

// Judges a recording. Each window must be the recorded one, bit for bit.
Decisions judge(const std::string& set) {
    jsguard::RecordingReader reader(std::filesystem::path(JSGUARD_DATA_SETS) / (set + ".jsonl"));
    Decisions found;
    std::array<jsg_alert_state, JSG_SIGNALS> states{};
    Judges judges(reader.header().config,
                  [&](const jsg_alert& alert) { found.raised += alert.event == JSG_RAISE; });
    while (const auto entry = reader.next()) {
        if (const auto* begun = std::get_if<jsguard::RecordedService>(&*entry)) {
            judges.begin(judge_id, begun->service, pointer(begun->baseline),
                         pointer(begun->pending_baseline), begun->history);
        } else if (const auto* window = std::get_if<jsguard::RecordedWindow>(&*entry)) {
            const jsg_window& judged =
                judges.judge(judge_id, {window->record, window->step, window->transitions,
                                        window->occupancy, window->listeners});
            const auto changed = jsguard::window_difference(window->record, judged);
            INFO("window " << window->record.sequence << ": " << changed.value_or("equal"));
            REQUIRE_FALSE(changed);
            for (int signal = 0; signal < JSG_SIGNALS; ++signal) {
                const jsg_alert_state state = window->record.signal[signal].alert;
                found.recorded_raises += state == JSG_ALERT && states.at(signal) != JSG_ALERT;
                states.at(signal) = state;
            }
            ++found.windows;
        } else if (const auto* learned = std::get_if<jsguard::RecordedBaseline>(&*entry)) {
            CHECK(std::memcmp(&judges.baseline(judge_id), &learned->baseline,
                              sizeof(learned->baseline)) == 0);
            ++found.baselines;
        } else {
            FAIL("a recording of tests/data has neither gaps nor ends");
        }
    }
    return found;
}

}  // namespace

TEST_CASE("The simulator's judges decide about the recordings as it was recorded", "[simulation]") {
    const std::vector<std::string> with_alerts{"slow-header",   "slow-body",        "slow-read",
                                               "flood-connect", "mix-slow-header",  "mix-slow-body",
                                               "mix-slow-read", "mix-flood-connect"};
    const std::vector<std::string> without{"normal", "normal-long", "flood-syn", "mix-flood-syn"};
    for (const auto* sets : {&with_alerts, &without}) {
        for (const std::string& set : *sets) {
            CAPTURE(set);
            const Decisions found = judge(set);
            CHECK(found.windows > 100);
            CHECK(found.baselines == 1);
            CHECK(found.raised == found.recorded_raises);
            CHECK((found.raised > 0) == (sets == &with_alerts));
        }
    }
}
