// SPDX-License-Identifier: BSD-2-Clause
// Checks in the kernel's BTF what the detector needs. Uses the kernel's version only where the BTF
// does not show the answer.
#include "load/kernel_needs.hpp"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "common/file_replacement.hpp"

namespace jsguard {
namespace {

// Kind 0 means a value of an enum: the enums of helpers, map types and program types.
struct Need {
    const char* name;
    unsigned kind;
    const char* what;
    const char* since;
};

constexpr Need needs[] = {
    {"btf_trace_inet_sock_set_state", BTF_KIND_TYPEDEF,
     "the tracepoint inet_sock_set_state with its types", "5.5"},
    {"btf_trace_tcp_destroy_sock", BTF_KIND_TYPEDEF,
     "the tracepoint tcp_destroy_sock with its types", "5.5"},
    {"BPF_MAP_TYPE_RINGBUF", 0, "BPF ring buffers", "5.8"},
    {"bpf_iter__tcp", BTF_KIND_STRUCT, "the BPF iterator over TCP sockets", "5.9"},
    {"BPF_PROG_TYPE_SYSCALL", 0, "BPF programs of type syscall", "5.14"},
    {"bpf_timer", BTF_KIND_STRUCT, "BPF timers", "5.15"},
    {"BPF_FUNC_loop", 0, "the BPF helper bpf_loop", "5.17"},
    {"BPF_FUNC_map_lookup_percpu_elem", 0, "the BPF helper bpf_map_lookup_percpu_elem", "5.19"},
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

std::unique_ptr<btf, void (*)(btf*)> kernel_btf() { return {btf__load_vmlinux_btf(), btf__free}; }

std::vector<KernelNeed> kernel_needs(const btf* kernel) {
    std::vector<KernelNeed> all;
    for (const Need& need : needs) {
        std::optional<bool> there;
        if (kernel) there = has(kernel, need);
        all.push_back({need.name, need.what, need.since, there});
    }
    return all;
}

std::optional<std::string> missing_in_kernel(const btf* kernel) {
    if (!kernel) return btf_need;
    for (const KernelNeed& need : kernel_needs(kernel)) {
        if (!*need.there) return text_of(need);
    }
    return std::nullopt;
}

// Loads a program that calls the helper. libbpf_probe_bpf_helper() of libbpf 1.1 does not know how
// kernels since 6.14 refuse a helper.
bool may_read_kernel() {
    const auto instruction = [](unsigned code, unsigned to, unsigned from, int value) {
        bpf_insn made{};
        made.code = static_cast<__u8>(code);
        made.dst_reg = to & 0xf;
        made.src_reg = from & 0xf;
        made.imm = value;
        return made;
    };
    constexpr int buffer = -8, bytes = 8;
    const bpf_insn program[] = {
        instruction(BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_1, BPF_REG_10, 0),
        instruction(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, buffer),
        instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_2, 0, bytes),
        instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_3, 0, 0),
        instruction(BPF_JMP | BPF_CALL, 0, 0, BPF_FUNC_probe_read_kernel),
        instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0),
        instruction(BPF_JMP | BPF_EXIT, 0, 0, 0),
    };
    const FileDescriptor loaded(bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "may_read", "GPL",
                                              program, std::size(program), nullptr));
    return loaded.get() >= 0 || errno != EINVAL;  // the verifier does not know the helper
}

bool tracepoints_are_preempted(const std::string& release) {
    return std::strtol(release.c_str(), nullptr, 10) >= 7;
}

std::string kernel_release() {
    utsname name{};
    return uname(&name) == 0 ? name.release : "";
}

bool has_rdonly_cast(const btf* kernel) {
    return btf__find_by_name_kind(kernel, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
}

}  // namespace jsguard
