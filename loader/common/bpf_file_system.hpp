// SPDX-License-Identifier: BSD-2-Clause
// Where a pin directory is or would be, and what stands in its way; nothing is mounted or made.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "common/defaults.hpp"

namespace jsguard {

// Without a mode everybody may write in it, and make the pin directory before jsguard does.
constexpr const char* bpffs_mount_options = "mode=0711";
// What to do about a pin directory that is in no BPF file system.
std::string mount_advice();

enum class PinPlace {
    ready,          // in a BPF file system where this process may write
    to_be_mounted,  // the usual place, where none is mounted yet and this process may mount it
    not_bpffs,      // in none, and none is going to be mounted
    read_only,      // in one that is mounted read-only
    not_writable,   // in one where this process may not write
    whole,          // there already, and the top of a BPF file system
    of_another,     // there already, and of another user, who could remove the pins
    strange,        // there already, with pins that are not jsguard's
};
struct PlaceWords {
    PinPlace place;
    const char* name;  // in JSON
    const char* text;  // as what follows "it is"
};
const PlaceWords& words_of(PinPlace place);

// In a pin directory: what a detector that stays needs besides, the same while it is being made,
// and the pin that is made first and goes last.
constexpr const char* persisted_directory = "/persist";
constexpr const char* unfinished_directory = "/unfinished";
constexpr const char* known_by = "/config";
// Whether a detector is there that stays when its loader ends.
bool has_persisted(const std::string& pin_dir);
// Whether it holds what a detector has pinned there, persisted or not.
bool holds_pins(const std::string& pin_dir);

bool on_bpffs(const std::filesystem::path& path);
// The nearest directory above that is there already; what cannot be looked at counts as not there.
std::filesystem::path existing_part(std::filesystem::path path);

PinPlace pin_place(const std::filesystem::path& pin_dir);
// The same of a directory that is there, open, and in a BPF file system: ready, or one of the last
// three; none if it cannot be looked at.
std::optional<PinPlace> place_of_directory(int open_directory,
                                           const std::filesystem::path& pin_dir);

}  // namespace jsguard
