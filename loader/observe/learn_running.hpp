// SPDX-License-Identifier: BSD-2-Clause
// The baselines of a running detector: the ones in force, and new ones that it learns on request.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "common/baseline_file.hpp"

namespace jsguard {

// The baselines in force. Throws Error(runtime) if no service has learned its baseline.
BaselineFile baselines_in_force(const std::string& pin_dir);

// Asks every service to relearn, and prints their ports on stderr.
void ask_to_relearn(const std::string& pin_dir);

// Asks every service to relearn, waits for the new baselines, and writes them to the file. With a
// port, waits for that port only and writes its baseline only. Prints on stderr what it waits for.
// Throws Error(runtime) after a signal or when the detector ends; the file is not changed then.
void learn_running(const std::string& pin_dir, std::optional<std::uint16_t> port,
                   const std::filesystem::path& out);

}  // namespace jsguard
