// SPDX-License-Identifier: BSD-2-Clause
// Asks the kernel about an open map or BPF program.
#include "observe/bpf_info.hpp"

#include <bpf/bpf.h>

#include <cerrno>

#include "common/error.hpp"

namespace jsguard {
namespace {

template <typename Info>
Info filled_in(int fd, Info info, const char* what) {
    std::uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0)
        throw errno_error(ExitCode::runtime, errno, fmt::format("cannot inspect a {}", what));
    return info;
}

}  // namespace

bpf_map_info info_of_map(int map) { return filled_in(map, bpf_map_info{}, "map"); }

bpf_prog_info info_of_program(int program, std::span<std::uint32_t> map_ids) {
    bpf_prog_info info{};
    info.nr_map_ids = static_cast<std::uint32_t>(map_ids.size());
    info.map_ids = reinterpret_cast<std::uintptr_t>(map_ids.data());
    return filled_in(program, info, "BPF program");
}

}  // namespace jsguard
