// SPDX-License-Identifier: BSD-2-Clause
// Programs at the same hook that jsguard's are compared with: an empty one, and two usual counters.
#include <linux/bpf.h>

// In its own block, so that it is included after the headers with its types.
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct sock;

#define STATES 14

struct transition {
    __u32 old_state;
    __u32 new_state;
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, STATES* STATES);
    __type(key, __u32);
    __type(value, __u64);
} by_cell SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct transition);
    __type(value, __u64);
} by_transition SEC(".maps");

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(empty, struct sock* sk, int old_state, int new_state) { return 0; }

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(per_cpu_array, struct sock* sk, int old_state, int new_state) {
    __u32 cell = (__u32)old_state * STATES + (__u32)new_state;
    __u64* count = bpf_map_lookup_elem(&by_cell, &cell);

    if (count) ++*count;
    return 0;
}

// Counts like earlier tools: BCC's increment().
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(hash_map, struct sock* sk, int old_state, int new_state) {
    struct transition transition = {.old_state = (__u32)old_state, .new_state = (__u32)new_state};
    __u64 zero = 0, *count = bpf_map_lookup_elem(&by_transition, &transition);

    if (!count) {
        bpf_map_update_elem(&by_transition, &transition, &zero, BPF_NOEXIST);
        count = bpf_map_lookup_elem(&by_transition, &transition);
    }
    if (count) __sync_fetch_and_add(count, 1);
    return 0;
}
