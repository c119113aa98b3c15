// SPDX-License-Identifier: BSD-2-Clause
// Runs the detector's arithmetic in BPF on the test's histograms and numbers. The test compares the
// results with those of native code.
#include "arithmetic.h"

#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>

// Arrays that begin as 0 are in one map, which the test maps into its memory.
struct histogram_pair pairs[HISTOGRAMS_A_RUN];
struct measures results[HISTOGRAMS_A_RUN];
__u32 pair_count;

__u64 numbers[LOGARITHMS_A_RUN];
__u64 logarithms[LOGARITHMS_A_RUN];

struct pass {
    struct jsg_comparison sums;
    __u32 pair;
};

static long add_cell(__u32 cell, struct pass* pass) {
    const struct cell_counts* counts =
        &pairs[pass->pair & (HISTOGRAMS_A_RUN - 1)].counts[cell & (JSG_CELLS_MAX - 1)];

    jsg_comparison_add(&pass->sums, counts->p, counts->q);
    return 0;
}

static long measure_pair(__u32 index, void* unused) {
    const struct histogram_pair* pair = &pairs[index & (HISTOGRAMS_A_RUN - 1)];
    struct measures* result = &results[index & (HISTOGRAMS_A_RUN - 1)];
    struct pass pass = {.pair = index};

    jsg_comparison_begin(&pass.sums, pair->p_total, pair->q_total, pair->share_q32);
    bpf_loop(pair->cells, add_cell, &pass, 0);
    result->sums = pass.sums;
    measures__finish(result);
    return 0;
}

SEC("syscall")
int measure_pairs(void* unused) { return bpf_loop(pair_count, measure_pair, 0, 0); }

static long take_logarithm(__u32 index, void* unused) {
    index &= LOGARITHMS_A_RUN - 1;
    logarithms[index] = jsg_log2_q30(numbers[index]);
    return 0;
}

SEC("syscall")
int take_logarithms(void* unused) { return bpf_loop(LOGARITHMS_A_RUN, take_logarithm, 0, 0); }

char LICENSE[] SEC("license") = "Dual BSD/GPL";
