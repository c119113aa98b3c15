// SPDX-License-Identifier: BSD-2-Clause
// The BPF skeleton, after the headers that declare the types its sections name.
#pragma once

#include "kernel/layouts.h"

// In a block of its own, so that no formatter sorts it before the types.
#include "jsguard_bpf.skel.h"
