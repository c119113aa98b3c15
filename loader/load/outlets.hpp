// SPDX-License-Identifier: BSD-2-Clause
// The outputs of a detector besides its maps: stdout, the system's log, a textfile and the baseline
// file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "load/options.hpp"
#include "load/progress.hpp"
#include "load/system_log.hpp"
#include "load/textfile.hpp"
#include "observe/observer.hpp"

namespace jsguard {

class Outlets {
  public:
    // progress: prints problems for the user. Throws Error if the textfile or the baseline file
    // cannot be written, or if another detector writes the textfile.
    Outlets(const Options& options, Progress& progress);

    // Call it when the detector runs. reader and descriptors must remain open until end().
    void begin(const std::string& start_line, const MapReader& reader, OwnDescriptors descriptors);
    // instance: of the detector that raised the alert.
    void alert(const jsg_alert& alert, std::uint64_t instance);
    // A warning that a baseline looks like an attack.
    void warning(const std::string& line);
    // Writes the file of --save-baseline. Throws Error(runtime).
    void save(const Baselines& learned) const;
    // The open directories of the files that it writes.
    std::vector<int> directories() const;
    // Call it a few times a second. Writes the textfile, and retries messages that the logger did
    // not take.
    void step();
    // Log the end, also an end by an error, for people who read only the log.
    void end(const std::string& summary);
    void end_by_error(const std::string& why);

  private:
    // The source of the textfile, which is written once a step.
    struct Figures {
        const MapReader& reader;
        Observer observer;
        std::optional<std::uint64_t> step;  // the last step that was written
    };

    // Writes the textfile. Returns a line for the user, as Textfile::write() does. Costs next to
    // nothing if no step has passed.
    std::string write_figures();
    void notice(int priority, const char* event, const std::string& text);
    void finish(int priority, const std::string& text);

    const Options& options_;
    Progress& progress_;
    std::string hostname_;
    std::uint64_t began_unix_ms_;
    std::optional<SystemLog> log_;
    std::optional<Textfile> textfile_;
    std::optional<OutputFile> baselines_;
    std::optional<Figures> figures_;  // for the textfile, from begin() on
};

}  // namespace jsguard
