// SPDX-License-Identifier: BSD-2-Clause
// Checks whether a pin directory can be used, and why not. Mounts and creates nothing.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "common/defaults.hpp"

namespace jsguard {

// Without a mode every user may write there, and could create the pin directory before jsguard
// does.
constexpr const char* bpffs_mount_options = "mode=0711";
// The next step for a user whose pin directory is in no BPF file system.
std::string mount_advice();

enum class PinDirectory {
    ready,             // in a BPF file system where this process may write
    to_be_mounted,     // in /sys/fs/bpf, where none is mounted yet and this process may mount one
    not_bpffs,         // in no BPF file system, and jsguard would not mount one
    read_only,         // in a BPF file system that is mounted read-only
    not_writable,      // in a BPF file system where this process may not write
    file_system_root,  // exists, and is the root of a BPF file system
    other_owner,       // exists, and belongs to another user, who could remove the pins
    changeable,        // in a directory of the BPF file system in which others could exchange it
    foreign_pins,      // exists, and has pins that are not jsguard's
};
struct PinDirectoryTexts {
    PinDirectory state;
    const char* name;  // in JSON
    const char* text;  // follows "it is"
};
const PinDirectoryTexts& texts_of(PinDirectory state);

// Names in a pin directory: the directory of the pins that only a persisted detector needs, its
// name while it is being made, and the pin that is made first and removed last.
constexpr const char* persisted_directory = "persist";
constexpr const char* unfinished_directory = "unfinished";
constexpr const char* config_pin = "config";
// Whether a persisted detector is pinned there.
bool has_persisted(const std::string& pin_dir);
// Whether a detector is pinned in an open directory, persisted or not.
bool holds_pins(int open_directory);

bool on_bpffs(const std::filesystem::path& path);
bool on_bpffs(int open_file);
// The path itself or its nearest parent that exists. A directory that this process cannot inspect
// counts as missing.
std::filesystem::path existing_part(std::filesystem::path path);

// Where the pin directory is or would be.
PinDirectory pin_directory_state(const std::filesystem::path& pin_dir);
// The same for an open directory in a BPF file system: ready, file_system_root, other_owner or
// foreign_pins. None if this process cannot inspect it.
std::optional<PinDirectory> state_of_pin_directory(int open_directory);

}  // namespace jsguard
