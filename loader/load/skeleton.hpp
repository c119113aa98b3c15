// SPDX-License-Identifier: BSD-2-Clause
// The BPF skeleton, included after the types that it uses.
#pragma once

#include "kernel/layouts.h"

// In a separate block, so that clang-format does not sort it before the types.
#include "jsguard_bpf.skel.h"
