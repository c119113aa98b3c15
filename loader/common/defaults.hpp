// SPDX-License-Identifier: BSD-2-Clause
// Default paths, and limits of options and files. The other defaults of jsguard-load's options are
// in load/options.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernel/jsguard.h"

namespace jsguard {

constexpr const char* default_bpffs_mount = "/sys/fs/bpf";
constexpr const char* default_pin_dir = "/sys/fs/bpf/jsguard";  // in that file system
constexpr const char* default_journal_socket = "/run/systemd/journal/socket";
constexpr const char* default_syslog_socket = "/dev/log";

// Maximum values of options and of fields in files.
constexpr std::uint32_t max_port = JSG_PORTS - 1;
constexpr std::uint32_t max_window_s = 300;  // also the maximum of --step
// The maximum of --learn, and of --confirm and --clear in windows.
constexpr std::uint32_t max_learn_s = 86'400;
constexpr std::uint32_t max_count = 1'000'000'000;
// The kernel compares an excess in thousandths of a socket, in 32 bits.
constexpr std::uint32_t max_sockets = 4'000'000;

// Maximum sizes of files and lines that are read.
constexpr std::size_t max_baseline_file_bytes = 16 << 20;
// The longest line is that of a service with its history. This limit is enough for the longest one.
constexpr std::size_t max_recording_line_bytes = 4 << 20;
// A file with all pairs of states has less than 10 KiB.
constexpr std::size_t max_probability_file_bytes = 1 << 20;

}  // namespace jsguard
