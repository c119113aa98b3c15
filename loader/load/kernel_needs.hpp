// SPDX-License-Identifier: BSD-2-Clause
// Checks in the kernel's BTF what the detector needs. Uses the kernel's version only where the BTF
// does not show the answer.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

struct btf;

namespace jsguard {

constexpr const char* btf_need =
    "BTF (/sys/kernel/btf/vmlinux): boot a kernel that is built with CONFIG_DEBUG_INFO_BTF=y";

// The BTF of the running kernel; null if it has none. It takes megabytes of memory.
std::unique_ptr<btf, void (*)(btf*)> kernel_btf();

struct KernelNeed {
    std::string name;           // in BTF
    std::string what;           // in words
    std::string since;          // the first version of Linux that has it
    std::optional<bool> there;  // none: unknown without BTF
};

// "BPF timers (since 5.15)"
inline std::string text_of(const KernelNeed& need) {
    return need.what + " (since " + need.since + ")";
}

// All needs, the oldest first. kernel: null for a kernel without BTF.
std::vector<KernelNeed> kernel_needs(const btf* kernel);

// Whether BPF programs may read the kernel's memory. They may not if the kernel is locked down for
// confidentiality. Needs the privilege to load programs.
bool may_read_kernel();
constexpr const char* read_need =
    "BPF programs that read the kernel's memory: it is locked down; boot it without "
    "lockdown=confidentiality (lockdown=integrity is enough for jsguard)";

// The first need that the kernel lacks, as text; none if it lacks nothing.
std::optional<std::string> missing_in_kernel(const btf* kernel);

// Whether other tasks can preempt a program at a tracepoint: true from kernel 7.0 on. release: from
// uname(), because BTF does not show it.
bool tracepoints_are_preempted(const std::string& release);
// The release of the running kernel.
std::string kernel_release();

// Whether the kernel has bpf_rdonly_cast (6.2 and later), which reads sockets faster.
bool has_rdonly_cast(const btf* kernel);

}  // namespace jsguard
