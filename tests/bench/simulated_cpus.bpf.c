// SPDX-License-Identifier: BSD-2-Clause
// A service step on a machine with more CPUs than this one has.

#include <linux/bpf.h>

// In its own block, so that it is included after the headers with its types.
#include <bpf/bpf_helpers.h>

// This includes the detector's own code. The counters of the simulated CPUs are in the map rows.
static void* simulated_row(void* counters, const void* service, __u32 cpu);
#define bpf_map_lookup_percpu_elem simulated_row

#include "kernel/service_step.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);  // the loader sets it to JSG_SERVICE_ENTRIES times CPUs
    __type(key, __u32);
    __type(value, struct jsg_counters);
} rows SEC(".maps");

// The rows of one CPU are next to each other, as in a per-CPU array.
static __always_inline void* simulated_row(void* counters, const void* service, __u32 cpu) {
    __u32 index = cpu * JSG_SERVICE_ENTRIES + *(const __u32*)service;

    return bpf_map_lookup_elem(&rows, &index);
}

__u32 service_to_run;   // its service ID
__u64 service_step_ns;  // duration of the last service step

SEC("syscall")
int run_service_step(void* context) {
    __u64 began_ns = bpf_ktime_get_ns();

    service_step(service_to_run, began_ns);
    service_step_ns = bpf_ktime_get_ns() - began_ns;
    return 0;
}
