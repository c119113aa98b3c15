// SPDX-License-Identifier: BSD-2-Clause
// The first and the last line of a run of jsguard-load, without the newline.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "load/options.hpp"

namespace jsguard {

// What is monitored and how. ports: the ports that have a service now. with_baseline: how many of
// them have a baseline from a file and need not learn.
std::string start_line(const Options& options, std::span<const std::uint16_t> ports,
                       std::size_t with_baseline = 0);

// The numbers of windows, transitions and alerts, and what was lost.
std::string summary_line(const jsg_stats& stats);

}  // namespace jsguard
