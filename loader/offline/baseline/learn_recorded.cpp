// SPDX-License-Identifier: BSD-2-Clause
// Selects the recorded steps that may be learned, and learns them with the kernel's code.
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

// Selects the steps of one port that may be learned. Keeps each step back until it is known that no
// alert followed soon after it.
class LearnableSteps {
  public:
    using Sink = std::function<void(const RecordedWindow&)>;

    LearnableSteps(std::uint32_t window_steps, Sink sink)
        : delay_(jsg_learn_delay(window_steps)), sink_(std::move(sink)) {}

    void take(const RecordedWindow& window) {
        if (!is_quiet(window.record)) {
            ++steps_.left_out;
            return drop();
        }
        held_back_.push_back(window);
        if (held_back_.size() > delay_) pass_on_oldest();
    }
    // Leaves out the steps that are kept back.
    void drop() {
        steps_.left_out += held_back_.size();
        held_back_.clear();
    }
    // At the end of the recording, no alert can follow any more.
    void finish() {
        while (!held_back_.empty()) pass_on_oldest();
    }
    const LearnedSteps& steps() const { return steps_; }

  private:
    void pass_on_oldest() {
        ++steps_.learned;
        sink_(held_back_.front());
        held_back_.pop_front();
    }

    std::size_t delay_;
    Sink sink_;
    std::deque<RecordedWindow> held_back_;
    LearnedSteps steps_;
};

// The result of one pass over a recording.
struct PassResult {
    RecordingHeader header;
    std::uint64_t entries = 0;
    std::map<std::uint16_t, LearnedSteps> steps;
    std::uint64_t last_unix_ms = 0;
};

constexpr auto to_the_end = std::numeric_limits<std::uint64_t>::max();

// Reads at most max_entries entries, because a recording may grow between two passes.
PassResult read(const fs::path& path, std::optional<std::uint16_t> port, std::uint64_t max_entries,
                const LearnableSteps::Sink& learn) {
    RecordingReader reader(path);
    TerminalBar bar("reading");
    PassResult pass;
    pass.header = reader.header();
    std::map<std::uint16_t, LearnableSteps> by_port;
    while (pass.entries < max_entries) {
        const auto entry = reader.next();
        if (!entry) break;
        ++pass.entries;
        bar.show(reader.bytes_read(), reader.bytes());
        const std::uint32_t entry_port = recorded_port(*entry);
        if (port && entry_port != *port) continue;
        auto& steps = by_port
                          .try_emplace(static_cast<std::uint16_t>(entry_port),
                                       pass.header.config.window_steps, learn)
                          .first->second;
        if (const auto* window = std::get_if<RecordedWindow>(&*entry)) {
            steps.take(*window);
            pass.last_unix_ms =
                std::max<std::uint64_t>(pass.last_unix_ms, window->record.end_unix_ms);
        }
        if (std::holds_alternative<RecordedGap>(*entry)) steps.drop();
        if (std::holds_alternative<RecordedEnd>(*entry)) steps.finish();
    }
    for (auto& [entry_port, steps] : by_port) {
        steps.finish();
        pass.steps[entry_port] = steps.steps();
    }
    return pass;
}

// Learns with the kernel's code, with one service entry for each port. A process can have only one
// of these objects at a time, because the kernel's code keeps its state in globals.
class PendingBaselines {
  public:
    // steps: the number of steps that each port learns. There are at most JSG_SERVICES ports.
    PendingBaselines(jsg_config config, std::uint64_t steps) {
        // One step more than needed: a pending baseline that is complete learns no more steps.
        config.learn_steps = static_cast<std::uint32_t>(steps + 1);
        const auto ignore = [](void*, const jsg_alert*) {};
        if (kernel_replay_begin(&config, ignore, nullptr) != 0)
            throw Error(ExitCode::runtime, "there is not enough memory to learn");
    }

    void learn(const RecordedWindow& window) {
        const auto port = static_cast<std::uint16_t>(window.record.port);
        const std::uint32_t id = service_id_of(port);
        // Number the steps without gaps, so that steps that were left out do not interrupt
        // learning.
        jsg_window record = window.record;
        record.sequence = kernel_replay_service(id)->sequence + 1;
        kernel_replay_step step{};
        step.record = &record;
        step.counted = &window.step;
        step.transitions = window.transitions.data();
        step.occupancy = window.occupancy.data();
        step.listeners = window.listeners;
        kernel_replay_service_step(id, &step);
        if (kernel_replay_service(id)->learned_steps != record.sequence)
            throw Error(
                ExitCode::usage,
                fmt::format("port {}: the counts exceed 32 bits; learn from a shorter recording",
                            port));
    }

    Baselines all() const {
        Baselines pending_baselines;
        for (const auto& [port, id] : service_ids_) {
            jsg_baseline pending_baseline = *kernel_replay_pending_baseline(id);
            // As in a baseline file: the sums are needed only while learning goes on.
            for (jsg_spread& spread : pending_baseline.spread) {
                spread.sum_microbits = 0;
                spread.sum_of_squares = 0;
            }
            pending_baselines[port] = pending_baseline;
        }
        return pending_baselines;
    }

  private:
    std::uint32_t service_id_of(std::uint16_t port) {
        const auto known = service_ids_.find(port);
        if (known != service_ids_.end()) return known->second;
        const auto id = static_cast<std::uint32_t>(service_ids_.size() + 1);
        jsg_service service{};
        service.port = port;
        kernel_replay_set_service(id, &service, nullptr, nullptr, nullptr, 0);
        return service_ids_[port] = id;
    }

    std::map<std::uint16_t, std::uint32_t> service_ids_;
};

// Removes baselines without enough traffic, and logs the steps of each port.
void keep_sufficient(BaselineFile& file, const std::map<std::uint16_t, LearnedSteps>& steps) {
    for (const auto& [port, one] : steps) {
        const auto found = file.baselines.find(port);
        const jsg_baseline pending_baseline =
            found == file.baselines.end() ? jsg_baseline{} : found->second;
        const std::string lacking = lacking_text(pending_baseline, file.origin.step_s);
        log_line(fmt::format(
            "port {}: learned from {} steps, left {} out{}", port, one.learned, one.left_out,
            lacking.empty() ? "" : "; not enough traffic (" + lacking + "), so it is not written"));
        if (!lacking.empty()) file.baselines.erase(port);
    }
}

}  // namespace

RecordedPendingBaseline pending_baseline_of(const fs::path& recording,
                                            std::optional<std::uint16_t> port) {
    const PassResult first = read(recording, port, to_the_end, [](const RecordedWindow&) {});
    if (first.steps.size() > JSG_SERVICES)
        throw Error(ExitCode::usage,
                    fmt::format("more than {} ports to learn; name one with --port", JSG_SERVICES));
    // The spread is measured in the second half of the learning time. Ports that learn together
    // have the same learning time, so only ports with the same number of steps learn together.
    std::map<std::uint64_t, std::set<std::uint32_t>> ports_by_steps;
    for (const auto& [learned_port, steps] : first.steps) {
        if (steps.learned != 0) ports_by_steps[steps.learned].insert(learned_port);
    }
    RecordedPendingBaseline all;
    for (const auto& [steps, same_steps] : ports_by_steps) {
        const std::set<std::uint32_t>& ports = same_steps;  // clang 14 cannot capture a binding
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
        for (const auto& [learned_port, one] : pending_baseline.steps) {
            steps[learned_port].learned += one.learned;
            steps[learned_port].left_out += one.left_out;
        }
    }
    BaselineFile all = merged(files);
    keep_sufficient(all, steps);
    if (all.baselines.empty())
        throw Error(
            ExitCode::usage,
            port ? fmt::format("the recordings have too little traffic of port {} to learn from",
                               *port)
                 : "the recordings have too little traffic to learn from; record for longer");
    return all;
}

}  // namespace jsguard
