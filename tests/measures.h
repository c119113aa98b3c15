/* SPDX-License-Identifier: BSD-2-Clause */
/* measures.h: all results of one pass over two histograms, in plain C. The native tests and the BPF
 * program of the kernel tests must compute the same results. */
#ifndef MEASURES_H
#define MEASURES_H

#include "kernel/comparison.h"

struct measures {
    struct jsg_comparison sums;
    __u64 js_nanobits, kl_nanobits, entropy_nanobits; /* the entropy of the window, p */
};

JSG_INLINE void measures__finish(struct measures* measures) {
    measures->js_nanobits = jsg_js_nanobits(measures->sums.js_q55);
    measures->kl_nanobits = jsg_comparison_kl_nanobits(&measures->sums);
    measures->entropy_nanobits = jsg_entropy_nanobits(measures->sums.entropy_q54);
}

#endif
