// SPDX-License-Identifier: BSD-2-Clause
// What the detector needs of the kernel, asked of its BTF and not of its version.
#include "kernel_needs.hpp"

#include <bpf/btf.h>
#include <fmt/format.h>

#include <cstring>

namespace jsguard {
namespace {

// A kind of 0 stands for a value of some enum: the ones that number the helpers and the map types.
struct Need {
    const char* what;
    const char* name;
    unsigned kind;
};

constexpr Need needs[] = {
    {"the tracepoint inet_sock_set_state", "btf_trace_inet_sock_set_state", BTF_KIND_TYPEDEF},
    {"BPF ring buffers (since 5.8)", "BPF_MAP_TYPE_RINGBUF", 0},
    {"the BPF iterator over TCP sockets (since 5.9)", "bpf_iter__tcp", BTF_KIND_STRUCT},
    {"BPF programs of type syscall (since 5.14)", "BPF_PROG_TYPE_SYSCALL", 0},
    {"BPF timers (since 5.15)", "bpf_timer", BTF_KIND_STRUCT},
    {"the BPF helper bpf_loop (since 5.17)", "BPF_FUNC_loop", 0},
    {"the BPF helper bpf_map_lookup_percpu_elem (since 5.19)", "BPF_FUNC_map_lookup_percpu_elem",
     0},
};

bool some_enum_has_value(const btf* kernel, const char* name) {
    for (unsigned id = 1; id < btf__type_cnt(kernel); ++id) {
        const btf_type* type = btf__type_by_id(kernel, id);
        if (!btf_is_enum(type)) continue;
        const struct btf_enum* values = ::btf_enum(type);
        for (int i = 0; i < btf_vlen(type); ++i) {
            const char* found = btf__name_by_offset(kernel, values[i].name_off);
            if (found && std::strcmp(found, name) == 0) return true;
        }
    }
    return false;
}

bool has(const btf* kernel, const Need& need) {
    if (need.kind) return btf__find_by_name_kind(kernel, need.name, need.kind) > 0;
    return some_enum_has_value(kernel, need.name);
}

}  // namespace

std::optional<std::string> missing_in_kernel(const btf* kernel) {
    if (!kernel)
        return "BTF (/sys/kernel/btf/vmlinux): boot a kernel that is built with "
               "CONFIG_DEBUG_INFO_BTF=y";
    for (const Need& need : needs) {
        if (!has(kernel, need)) return need.what;
    }
    return std::nullopt;
}

bool has_rdonly_cast(const btf* kernel) {
    return btf__find_by_name_kind(kernel, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
}

}  // namespace jsguard
