// SPDX-License-Identifier: BSD-2-Clause
// The detector that an earlier jsguard-load left in the kernel, found by its pins.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/baseline_file.hpp"
#include "common/file_replacement.hpp"
#include "kernel/jsguard.h"
#include "load/alert_ring.hpp"
#include "load/pins.hpp"
#include "observe/map_reader.hpp"

struct btf;

namespace jsguard {

// Names of the pins of a program at a tracepoint, and of its link there.
struct TracepointPins {
    const char* program;
    const char* link;
};
inline constexpr TracepointPins transition_pins = {"program", "link"};
inline constexpr TracepointPins destroy_pins = {"destroy_program", "destroy_link"};
inline constexpr TracepointPins preempted_pins = {"preempted_program", "preempted_link"};
// The pin of the map that has the timer.
inline constexpr const char* clocks_pin = "clocks";

class Persisted {
  public:
    // None if the directory has no persisted detector. pins must outlive the result.
    static std::optional<Persisted> find(Pins& pins);

    // Reads the maps that the detector has. The detector may be of another version.
    const MapReader& reader() const { return reader_; }
    // Why a loader that wants this configuration and needs these pins cannot join the detector;
    // empty if it can. The text follows "it".
    std::string obstacle(const jsg_config& wanted, const std::vector<std::string>& pins) const;
    // The baselines that its services have learned; empty if it is damaged. ours: the types of this
    // program's BPF object. Throws Error(runtime) if the baselines have another layout, even with
    // the same schema number.
    Baselines baselines(const btf* ours) const;
    // What it has found and lost, as text; empty if its layout is unknown.
    std::string summary() const;
    // Passes the unread alerts to handler, and takes the detector out of the kernel. Returns how
    // many alerts had an unknown layout. If handler throws at an alert that was already there, the
    // detector remains as it is.
    std::size_t end(const AlertHandler& handler) const;

  private:
    explicit Persisted(Pins& pins) : pins_(&pins), reader_(open_maps()) {}

    MapReader open_maps();
    bool has(const ShownMap& map) const { return reader_.descriptor(map) >= 0; }

    Pins* pins_;
    std::vector<FileDescriptor> maps_;
    MapReader reader_;
};

}  // namespace jsguard
