// SPDX-License-Identifier: BSD-2-Clause
// What the kernel reports of an open map or program.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <span>

namespace jsguard {

// Both throw Error(runtime).
bpf_map_info info_of_map(int map);
// map_ids: filled with the IDs of the maps that the program uses, as many as there is room for.
bpf_prog_info info_of_program(int program, std::span<std::uint32_t> map_ids = {});

}  // namespace jsguard
