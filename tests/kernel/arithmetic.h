/* SPDX-License-Identifier: BSD-2-Clause */
/* arithmetic.h: the data that arithmetic.bpf.c and its test exchange; plain C. */
#ifndef ARITHMETIC_H
#define ARITHMETIC_H

#include "tests/measures.h"

#define HISTOGRAMS_A_RUN 1024 /* a power of two, as is JSG_CELLS_MAX: indexes are masked */
#define LOGARITHMS_A_RUN (1 << 18)
JSG_ASSERT((HISTOGRAMS_A_RUN & (HISTOGRAMS_A_RUN - 1)) == 0, "indexes are masked");
JSG_ASSERT((LOGARITHMS_A_RUN & (LOGARITHMS_A_RUN - 1)) == 0, "indexes are masked");
JSG_ASSERT((JSG_CELLS_MAX & (JSG_CELLS_MAX - 1)) == 0, "indexes are masked");

struct cell_counts {
    __u32 p, q;
};

struct histogram_pair {
    __u64 p_total, q_total;
    __u64 share_q32;
    __u64 cells; /* number of used cells */
    struct cell_counts counts[JSG_CELLS_MAX];
};

#endif
