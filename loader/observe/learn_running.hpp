// SPDX-License-Identifier: BSD-2-Clause
// The baselines of a running detector: those in force, and new ones that it is asked to learn.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "common/baseline_file.hpp"

namespace jsguard {

// What its services compare with now. Throws Error(runtime) if none has learned.
BaselineFile baselines_in_force(const std::string& pin_dir);

// Asks every service to relearn, and says on stderr which.
void ask_to_relearn(const std::string& pin_dir);

// Asks every service, waits until that of the port (none: each) has learned, and writes the file,
// of that port alone. Says on stderr what it waits for. Throws Error(runtime) if a signal or the
// detector's end comes first; the file is then as it was.
void learn_running(const std::string& pin_dir, std::optional<std::uint16_t> port,
                   const std::filesystem::path& out);

}  // namespace jsguard
