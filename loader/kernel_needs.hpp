// SPDX-License-Identifier: BSD-2-Clause
// What the detector needs of the kernel, asked of its BTF and not of its version.
#pragma once

#include <optional>
#include <string>

struct btf;

namespace jsguard {

// The first thing that is missing, in words; nothing if all is there. None: a kernel without BTF.
std::optional<std::string> missing_in_kernel(const btf* kernel);

// Whether sockets can be read by bpf_rdonly_cast (6.2 and later), which is faster.
bool has_rdonly_cast(const btf* kernel);

}  // namespace jsguard
