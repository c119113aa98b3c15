// SPDX-License-Identifier: BSD-2-Clause
// What the detector needs of the kernel, asked of its BTF and not of its version.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

struct btf;

namespace jsguard {

constexpr const char* btf_need =
    "BTF (/sys/kernel/btf/vmlinux): boot a kernel that is built with CONFIG_DEBUG_INFO_BTF=y";

// The types of the kernel that runs; null if it has no BTF. They take megabytes.
std::unique_ptr<btf, void (*)(btf*)> kernel_btf();

struct KernelNeed {
    std::string name;           // in BTF
    std::string what;           // in words
    std::string since;          // the first version of Linux that has it
    std::optional<bool> there;  // none: not to be known, for want of BTF
};

// "BPF timers (since 5.15)"
inline std::string text_of(const KernelNeed& need) {
    return need.what + " (since " + need.since + ")";
}

// All of them, older ones first. None: a kernel without BTF.
std::vector<KernelNeed> kernel_needs(const btf* kernel);

// The first thing that is missing, in words; nothing if all is there.
std::optional<std::string> missing_in_kernel(const btf* kernel);

// Whether other tasks may run while a program at a tracepoint stands still, of the kernel with that
// release, as uname() tells it: from 7.0 on. Its types do not tell.
bool tracepoints_are_preempted(const std::string& release);
// Of this machine.
std::string kernel_release();

// Whether sockets can be read by bpf_rdonly_cast (6.2 and later), which is faster.
bool has_rdonly_cast(const btf* kernel);

}  // namespace jsguard
