/* SPDX-License-Identifier: BSD-2-Clause */
/* measures.h: all that one pass over two histograms yields, in plain C: what the native tests and
 * the BPF program of the kernel tests must compute alike. */
#ifndef MEASURES_H
#define MEASURES_H

#include "kernel/comparison.h"

struct measures {
    struct jsg_comparison sums;
    __u64 js_nanobits, kl_nanobits, entropy_nanobits; /* entropy is that of the window, p */
};

JSG_INLINE void measures__finish(struct measures* measures) {
    measures->js_nanobits = jsg_js_nanobits(measures->sums.js_q55);
    measures->kl_nanobits = jsg_comparison_kl_nanobits(&measures->sums);
    measures->entropy_nanobits = jsg_entropy_nanobits(measures->sums.entropy_q54);
}

#endif
