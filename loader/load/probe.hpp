// SPDX-License-Identifier: BSD-2-Clause
// jsguard-load --probe: checks what this kernel and this process offer, and leaves nothing behind.
#pragma once

#include "load/options.hpp"
#include "load/probe_report.hpp"

namespace jsguard {

// Collects the facts. Loads the BPF object for a moment if it may, but attaches and pins nothing.
// Throws Error(runtime) if the BPF object cannot be opened.
ProbeFacts probe_facts(const Options& options);

// Prints the facts and the verdict to stdout, as text or JSON. Returns the exit code.
int probe(const Options& options);

}  // namespace jsguard
