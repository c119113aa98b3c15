// SPDX-License-Identifier: BSD-2-Clause
// Where what a detector finds goes, besides its maps: stdout, the system's log, a textfile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "load/options.hpp"
#include "load/progress.hpp"
#include "load/system_log.hpp"
#include "load/textfile.hpp"
#include "observe/observer.hpp"

namespace jsguard {

class Outlets {
  public:
    // progress is told what the user is to know. Throws Error if the textfile cannot be there, or
    // is another detector's.
    Outlets(const Options& options, Progress& progress);

    // The detector is at work. The reader and the descriptors are of this process, open until
    // end().
    void begin(const std::string& start_line, const MapReader& reader, OwnDescriptors descriptors);
    // instance: of the detector that it comes from.
    void alert(const jsg_alert& alert, std::uint64_t instance);
    // A baseline looks like an attack.
    void warning(const std::string& line);
    // A few times a second: the textfile, and what the logger did not take before.
    void step();
    // Who only reads the log must learn of the end, and of one by an error too.
    void end(const std::string& summary);
    void end_by_error(const std::string& why);

  private:
    // What the textfile shows, once a step.
    struct Figures {
        const MapReader& reader;
        Observer observer;
        std::optional<std::uint64_t> step;  // that was written last
    };

    // What the user is to be told, as Textfile::write(). Costs next to nothing if no step has
    // passed.
    std::string write_figures();
    void notice(int priority, const char* event, const std::string& text);
    void finish(int priority, const std::string& text);

    const Options& options_;
    Progress& progress_;
    std::string hostname_;
    std::uint64_t began_unix_ms_;
    std::optional<SystemLog> log_;
    std::optional<Textfile> textfile_;
    std::optional<Figures> figures_;  // for the textfile, from begin() on
};

}  // namespace jsguard
