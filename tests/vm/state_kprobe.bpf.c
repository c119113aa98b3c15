/* SPDX-License-Identifier: BSD-2-Clause */
/* state_kprobe.bpf.c: counts the transitions that a kprobe on tcp_set_state sees on some ports. */
#include "state_kprobe.h"

#include <linux/ptrace.h>

// A separate block, because it needs struct pt_regs.
#include <bpf/bpf_tracing.h>

#include "kernel/tcp.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u16 ports[KPROBE_PORTS];

__u64 seen[KPROBE_PORTS][JSG_TRANSITION_CELLS];
__u64 out_of_range;

SEC("kprobe/tcp_set_state")
int BPF_KPROBE(see_state, struct sock* sk, int new_state) {
    const struct inet_sock* inet = (const struct inet_sock*)sk;
    __u32 old_state = BPF_CORE_READ(sk, __sk_common.skc_state);
    __u16 port = bpf_ntohs(BPF_CORE_READ(inet, inet_sport));

    for (__u32 i = 0; i < KPROBE_PORTS; i++) {
        if (port != ports[i]) continue;
        if (old_state >= JSG_STATES || (__u32)new_state >= JSG_STATES)
            __sync_fetch_and_add(&out_of_range, 1);
        else
            __sync_fetch_and_add(&seen[i][jsg_transition_cell(old_state, new_state)], 1);
    }
    return 0;
}
