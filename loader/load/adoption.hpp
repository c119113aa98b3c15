// SPDX-License-Identifier: BSD-2-Clause
// Adopts the sockets that were open before the detector was attached. No transition reports them.
#pragma once

#include <cstddef>

struct jsguard_bpf;

namespace jsguard {

class NetworkNamespace;

// Adopts the open sockets of the network namespace only. If only is null, adopts those of every
// namespace that has a process. Ports with accepted connections get service entries, but only those
// of the namespace only, or of this process's own if only is null. Returns how many namespaces
// could not be entered. Throws Error.
std::size_t adopt_open_sockets(jsguard_bpf& skeleton, const NetworkNamespace* only);

}  // namespace jsguard
