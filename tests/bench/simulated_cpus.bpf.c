// SPDX-License-Identifier: BSD-2-Clause
// A service's turn on a machine with more CPUs than this one has.

#include <linux/bpf.h>

// In a block of its own: it needs the types.
#include <bpf/bpf_helpers.h>

// The detector's own code, with the rows of the CPUs that are not there in a map of ours.
static void* simulated_row(void* counters, const void* service, __u32 cpu);
#define bpf_map_lookup_percpu_elem simulated_row

#include "kernel/service_step.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);  // whoever loads it sets it: service_ids times CPUs
    __type(key, __u32);
    __type(value, struct jsg_counters);
} rows SEC(".maps");

// A CPU's rows lie side by side, as in a per-CPU array.
static __always_inline void* simulated_row(void* counters, const void* service, __u32 cpu) {
    __u32 index = cpu * JSG_SERVICE_ENTRIES + *(const __u32*)service;

    return bpf_map_lookup_elem(&rows, &index);
}

__u32 turn_of;  // service_id
__u64 turn_ns;  // that it took

SEC("syscall")
int give_turn(void* context) {
    __u64 began_ns = bpf_ktime_get_ns();

    service_step(turn_of, began_ns);
    turn_ns = bpf_ktime_get_ns() - began_ns;
    return 0;
}
