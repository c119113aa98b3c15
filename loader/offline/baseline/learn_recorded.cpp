// SPDX-License-Identifier: BSD-2-Clause
// Feeds the recorded steps that are fit to be learned to the kernel's code, as one learning time.
#include "offline/baseline/learn_recorded.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "common/clocks.hpp"
#include "common/error.hpp"
#include "common/learning_text.hpp"
#include "common/print.hpp"
#include "common/progress_bar.hpp"
#include "kernel/native/kernel_replay.h"
#include "offline/baseline/merge.hpp"
#include "offline/recording/recording_file.hpp"

namespace jsguard {
namespace {

namespace fs = std::filesystem;

bool is_quiet(const jsg_window& record) {
    return record.signal[JSG_TRANSITIONS].alert == JSG_QUIET &&
           record.signal[JSG_OCCUPANCY].alert == JSG_QUIET;
}

// Holds the steps of a port back until it is known that no alert came soon after.
class FitSteps {
  public:
    using Sink = std::function<void(const RecordedWindow&)>;

    FitSteps(std::uint32_t window_steps, Sink sink)
        : delay_(jsg_learn_delay(window_steps)), sink_(std::move(sink)) {}

    void take(const RecordedWindow& window) {
        if (!is_quiet(window.record)) {
            ++steps_.left_out;
            return drop();
        }
        held_back_.push_back(window);
        if (held_back_.size() > delay_) hand_on();
    }
    // What comes next does not follow on what was.
    void drop() {
        steps_.left_out += held_back_.size();
        held_back_.clear();
    }
    // At the end nothing is known to have come after.
    void finish() {
        while (!held_back_.empty()) hand_on();
    }
    const LearnedSteps& steps() const { return steps_; }

  private:
    void hand_on() {
        ++steps_.learned;
        sink_(held_back_.front());
        held_back_.pop_front();
    }

    std::size_t delay_;
    Sink sink_;
    std::deque<RecordedWindow> held_back_;
    LearnedSteps steps_;
};

// What was read of a recording: its fit steps by port.
struct Reading {
    RecordingHeader header;
    std::uint64_t entries = 0;
    std::map<std::uint16_t, LearnedSteps> steps;
    std::uint64_t last_unix_ms = 0;
};

constexpr auto to_the_end = std::numeric_limits<std::uint64_t>::max();

// Reads so many entries, for a recording may grow.
Reading read(const fs::path& path, std::optional<std::uint16_t> port, std::uint64_t max_entries,
             const FitSteps::Sink& learn) {
    RecordingReader reader(path);
    TerminalBar bar("reading");
    Reading reading;
    reading.header = reader.header();
    std::map<std::uint16_t, FitSteps> by_port;
    while (reading.entries < max_entries) {
        const auto entry = reader.next();
        if (!entry) break;
        ++reading.entries;
        bar.show(reader.bytes_read(), reader.bytes());
        const std::uint32_t its = recorded_port(*entry);
        if (port && its != *port) continue;
        auto& steps = by_port
                          .try_emplace(static_cast<std::uint16_t>(its),
                                       reading.header.config.window_steps, learn)
                          .first->second;
        if (const auto* window = std::get_if<RecordedWindow>(&*entry)) {
            steps.take(*window);
            reading.last_unix_ms =
                std::max<std::uint64_t>(reading.last_unix_ms, window->record.end_unix_ms);
        }
        if (std::holds_alternative<RecordedGap>(*entry)) steps.drop();
        if (std::holds_alternative<RecordedEnd>(*entry)) steps.finish();
    }
    for (auto& [its, steps] : by_port) {
        steps.finish();
        reading.steps[its] = steps.steps();
    }
    return reading;
}

// The kernel's learning, with one place for each port; one at a time in a process.
class PendingBaselines {
  public:
    // steps: so many each port, of JSG_SERVICES or fewer, is to learn.
    PendingBaselines(jsg_config config, std::uint64_t steps) {
        // A pending_baseline that has ended learns no more.
        config.learn_steps = static_cast<std::uint32_t>(steps + 1);
        const auto ignore = [](void*, const jsg_alert*) {};
        if (kernel_replay_begin(&config, ignore, nullptr) != 0)
            throw Error(ExitCode::runtime, "there is no memory to learn in");
    }

    void learn(const RecordedWindow& window) {
        const auto port = static_cast<std::uint16_t>(window.record.port);
        const std::uint32_t place = place_of(port);
        // Those that were left out are no gap in a learning time.
        jsg_window record = window.record;
        record.sequence = kernel_replay_service(place)->sequence + 1;
        kernel_replay_step step{};
        step.record = &record;
        step.counted = &window.step;
        step.transitions = window.transitions.data();
        step.occupancy = window.occupancy.data();
        step.listeners = window.listeners;
        kernel_replay_service_step(place, &step);
        if (kernel_replay_service(place)->learned_steps != record.sequence)
            throw Error(ExitCode::usage,
                        fmt::format("port {}: there is more to learn than 32 bits can count; learn "
                                    "from a part of it",
                                    port));
    }

    Baselines all() const {
        Baselines pending_baselines;
        for (const auto& [port, place] : places_) {
            jsg_baseline pending_baseline = *kernel_replay_pending_baseline(place);
            // As from a file: it is not learned any further.
            for (jsg_spread& spread : pending_baseline.spread) {
                spread.sum_microbits = 0;
                spread.sum_of_squares = 0;
            }
            pending_baselines[port] = pending_baseline;
        }
        return pending_baselines;
    }

  private:
    std::uint32_t place_of(std::uint16_t port) {
        if (const auto known = places_.find(port); known != places_.end()) return known->second;
        const auto place = static_cast<std::uint32_t>(places_.size() + 1);
        jsg_service service{};
        service.port = port;
        kernel_replay_set_service(place, &service, nullptr, nullptr, nullptr, 0);
        return places_[port] = place;
    }

    std::map<std::uint16_t, std::uint32_t> places_;
};

// Leaves out what showed too little, and says so.
void keep_sufficient(BaselineFile& file, const std::map<std::uint16_t, LearnedSteps>& steps) {
    for (const auto& [port, one] : steps) {
        const auto found = file.baselines.find(port);
        const jsg_baseline pending_baseline =
            found == file.baselines.end() ? jsg_baseline{} : found->second;
        const std::string lacking = lacking_text(pending_baseline, file.origin.step_s);
        tell(fmt::format(
            "port {}: learned from {} steps, left {} out{}", port, one.learned, one.left_out,
            lacking.empty() ? "" : "; that is too little (" + lacking + "), so not written"));
        if (!lacking.empty()) file.baselines.erase(port);
    }
}

}  // namespace

RecordedPendingBaseline pending_baseline_of(const fs::path& recording,
                                            std::optional<std::uint16_t> port) {
    const Reading first = read(recording, port, to_the_end, [](const RecordedWindow&) {});
    if (first.steps.size() > JSG_SERVICES)
        throw Error(ExitCode::usage,
                    fmt::format("more than {} ports to learn; name one with --port", JSG_SERVICES));
    // The spread is measured in the second half of a port's learning time, whose length is one for
    // all that learn together.
    std::map<std::uint64_t, std::set<std::uint32_t>> ports_by_steps;
    for (const auto& [its, steps] : first.steps) {
        if (steps.learned != 0) ports_by_steps[steps.learned].insert(its);
    }
    RecordedPendingBaseline all;
    for (const auto& [steps, its_ports] : ports_by_steps) {
        const std::set<std::uint32_t>& ports = its_ports;  // clang 14 captures no binding
        PendingBaselines pending_baselines(first.header.config, steps);
        read(recording, port, first.entries, [&](const RecordedWindow& window) {
            if (ports.count(window.record.port)) pending_baselines.learn(window);
        });
        all.file.baselines.merge(pending_baselines.all());
    }
    all.steps = first.steps;
    all.file.origin = {first.header.host, first.header.kernel, first.last_unix_ms,
                       step_seconds(first.header.config)};
    return all;
}

BaselineFile learned_from(std::span<const fs::path> recordings, std::optional<std::uint16_t> port) {
    std::vector<BaselineFile> files;
    std::map<std::uint16_t, LearnedSteps> steps;
    for (const fs::path& path : recordings) {
        const RecordedPendingBaseline pending_baseline = pending_baseline_of(path, port);
        files.push_back(pending_baseline.file);
        for (const auto& [its, one] : pending_baseline.steps) {
            steps[its].learned += one.learned;
            steps[its].left_out += one.left_out;
        }
    }
    BaselineFile all = merged(files);
    keep_sufficient(all, steps);
    if (all.baselines.empty())
        throw Error(
            ExitCode::usage,
            port ? fmt::format("the recordings hold too little of port {} to learn from", *port)
                 : "the recordings hold too little to learn from; record for longer");
    return all;
}

}  // namespace jsguard
