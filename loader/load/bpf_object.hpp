// SPDX-License-Identifier: BSD-2-Clause
// The BPF object inside this program: opens it, sizes its maps, and names the pins of its maps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernel/jsguard.h"

struct jsguard_bpf;
struct bpf_map;

namespace jsguard {

struct SkeletonDeleter {
    void operator()(jsguard_bpf* skeleton) const;
};
using Skeleton = std::unique_ptr<jsguard_bpf, SkeletonDeleter>;

// Opens the object with that configuration. Then its sizes and types can be read. Needs no
// privilege. Throws Error.
Skeleton open_object(const jsg_config& config);
// A hash of the bytes of the object.
std::uint64_t program_hash();

std::vector<bpf_map*> maps_of(const jsguard_bpf& skeleton);
// The name of the map's pin. It has no dot, because the BPF file system refuses dots.
std::string pin_name(const bpf_map* map);
// Writes one entry of a map that is in the kernel. value: has the size of the map's values. Throws
// Error.
void write_map(const bpf_map* map, std::uint32_t key, const void* value);

// The memory that the maps take from the start.
std::size_t fixed_map_bytes(const jsguard_bpf& skeleton);
// The memory that the map of windows takes in addition when it is full.
std::size_t growing_map_bytes(const jsguard_bpf& skeleton);

}  // namespace jsguard
