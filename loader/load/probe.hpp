// SPDX-License-Identifier: BSD-2-Clause
// jsguard-load --probe: what this kernel and this process offer, found out without leaving a trace.
#pragma once

#include "load/options.hpp"
#include "load/probe_report.hpp"

namespace jsguard {

// What is there now. Loads the BPF object for a moment if it may; nothing is attached or pinned.
// Throws Error(runtime) if the BPF object cannot even be opened.
ProbeFacts probe_facts(const Options& options);

// Prints the facts and the verdict to stdout, as text or JSON; the exit code.
int probe(const Options& options);

}  // namespace jsguard
