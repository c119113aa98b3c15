// SPDX-License-Identifier: BSD-2-Clause
// Usual paths, and the limits of what options and files may ask for. The defaults of jsguard-load's
// options are in load/options.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernel/jsguard.h"

namespace jsguard {

constexpr const char* usual_bpffs_mount = "/sys/fs/bpf";
constexpr const char* usual_pin_dir = "/sys/fs/bpf/jsguard";  // in that file system
constexpr const char* usual_journal_socket = "/run/systemd/journal/socket";
constexpr const char* usual_syslog_socket = "/dev/log";

// What options and the fields of files may say at most.
constexpr std::uint32_t max_port = JSG_PORTS - 1;
constexpr std::uint32_t max_window_s = 300;  // so is a step at most
constexpr std::uint32_t day_s = 86'400;      // of learning; and so many windows in a row
constexpr std::uint32_t max_count = 1'000'000'000;
// An excess is compared in thousandths of a socket, in 32 bits.
constexpr std::uint32_t max_sockets = 4'000'000;

// What is read of a file at most.
constexpr std::size_t max_baseline_file_bytes = 16 << 20;
// A service's line with its history is the longest: this holds the longest of those.
constexpr std::size_t max_recording_line_bytes = 4 << 20;
// A file of all pairs of states has under 10 KiB.
constexpr std::size_t max_probability_file_bytes = 1 << 20;

}  // namespace jsguard
