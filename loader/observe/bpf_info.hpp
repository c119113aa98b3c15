// SPDX-License-Identifier: BSD-2-Clause
// Asks the kernel about an open map or BPF program.
#pragma once

#include <linux/bpf.h>

#include <cstdint>
#include <span>

namespace jsguard {

// Both functions throw Error(runtime).
bpf_map_info info_of_map(int map);
// map_ids: receives the IDs of the maps that the program uses. IDs that do not fit are left out.
bpf_prog_info info_of_program(int program, std::span<std::uint32_t> map_ids = {});

}  // namespace jsguard
