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
// Of the map that holds the timer.
inline constexpr const char* clocks_pin = "clocks";

class Persisted {
  public:
    // None if the directory holds none. The pins must outlive it.
    static std::optional<Persisted> find(Pins& pins);

    // Of the maps that it has. It may be of another version.
    const MapReader& reader() const { return reader_; }
    // Why a loader that wants a detector with that configuration, and needs these pins, cannot go
    // on with it, as what follows "it"; empty if it can.
    std::string obstacle(const jsg_config& wanted, const std::vector<std::string>& pins) const;
    // What its services have learned; nothing of a damaged one. ours: the types of this program's
    // BPF object. Throws Error(runtime) if it has another layout, whatever its version says.
    Baselines baselines(const btf* ours) const;
    // What it has found and lost, in words; empty if its layout is not known.
    std::string summary() const;
    // Hands on the alerts that nobody has read, and takes it out of the kernel. How many there were
    // whose layout is not known. What the handler throws leaves it as it is.
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
