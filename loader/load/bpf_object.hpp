// SPDX-License-Identifier: BSD-2-Clause
// The BPF object that this program carries: opened, sized, and its maps by the names of their pins.
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

// Opens the object with that configuration; sizes and types can be read from then on. Needs no
// privilege. Throws Error.
Skeleton open_object(const jsg_config& config);
// The same for each object of the same bytes.
std::uint64_t program_hash();

std::vector<bpf_map*> maps_of(const jsguard_bpf& skeleton);
// Without a dot, which the BPF file system refuses.
std::string pin_name(const bpf_map* map);
// Writes one entry of a map that is in the kernel. value: as large as the map's. Throws Error.
void write_map(const bpf_map* map, std::uint32_t key, const void* value);

// Memory of the maps at the start.
std::size_t fixed_map_bytes(const jsguard_bpf& skeleton);
// What the maps take in addition once they keep as many records as they may.
std::size_t growing_map_bytes(const jsguard_bpf& skeleton);

}  // namespace jsguard
