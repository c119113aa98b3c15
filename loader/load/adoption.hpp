// SPDX-License-Identifier: BSD-2-Clause
// Sockets that were open before the detector was attached, which no transition shows.
#pragma once

#include <cstddef>

struct jsguard_bpf;

namespace jsguard {

class NetworkNamespace;

// Passes over the sockets of that network namespace; none: of each that some process is in. Sockets
// that listen in that namespace, or in this process's own, get their service entries. Returns how
// many namespaces could not be entered. Throws Error.
std::size_t adopt_open_sockets(jsguard_bpf& skeleton, const NetworkNamespace* only);

}  // namespace jsguard
