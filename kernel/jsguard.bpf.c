/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* jsguard.bpf.c: the detector's programs. User space loads them and prints their alerts. */

/*
 * What happens, in the order of execution. The numbers appear again at the code.
 *
 * 1. A TCP socket changes its state. The kernel calls the tracepoint inet_sock_set_state, on any
 * CPU and in any context. The local port gives the service by one load from a table of 65,536 bytes
 * [services.bpf.h]. If the port is not monitored, nothing else happens. Otherwise the program adds
 * 1 to the cell (old state, new state) of that service in this CPU's own counters, which only grow.
 * An accepted connection (LISTEN->SYN_RECV) and a socket that begins to listen take a slot in a
 * flat table, under their address, until they are destroyed [slots.bpf.h]. This takes no lock, no
 * allocation and no clock.
 *
 * 1b. The kernel does not run this program again on the same CPU while it is running, so
 * transitions made by an interrupt during that time are missed. The socket's slot shows it at the
 * socket's next transition, or at the latest when the socket is destroyed. The transitions between
 * the two states are counted then [missed.bpf.h, missed.h].
 *
 * 2. After attaching the programs, the loader runs an iterator once over the sockets that were open
 * before. They take a slot too, with a mark that their age is not known.
 *
 * 3. A timer ticks TICKS times a step. Each tick does two things, so that no callback is long
 * [clock.bpf.h].
 *
 * 3a. It samples one slice of the slots. From a socket's state and byte counts follow its phase
 * (what does the connection wait for?) and its age in that phase, which are counted for its service
 * [sampling.bpf.h, occupancy.h]. If the last window had too many sockets of that kind, the remote
 * address is counted too [sources.bpf.h].
 *
 * 3b. It makes the step of one service. In the course of a step, each service has its own.
 *
 * 4. A service step reads all counters of the service once. The window is the difference between
 * this reading and the one that is a window older [window.bpf.h].
 *
 * 5. The window is measured: the Jensen-Shannon divergence of its transitions and of its occupancy
 * from the service's baseline, in fixed point; how many sockets are open, and how many are expected
 * at this rate of exchanges; and the significance bound [comparison.h, js_divergence.h, decision.h,
 * significance.h].
 *
 * 6. The window is judged: above the threshold with the evidence, or not and why. Several steps
 * above the threshold in a row raise an alert, and several below clear it. Only alerts go through
 * the ring buffer. The window's record goes into a map [service_step.bpf.h, decision.h,
 * alert.bpf.h].
 *
 * 7. A service without a baseline learns the step. Later it learns quiet steps only. A service that
 * was asked to relearn does so while it is judged [learning.bpf.h, spread.h].
 */

#include "clock.bpf.h"

#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* 1. A transition. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(jsg_transition, struct sock *sk, int old_state, int new_state)
{
	__u32 service_id = service_of(sk, new_state);
	struct jsg_counters *row;
	struct jsg_scratch *own_scratch;
	struct jsg_slot *slot;
	__u64 address;

	if (!service_id)
		return 0;
	row = bpf_map_lookup_elem(&counters, &service_id);
	own_scratch = scratch_here();
	if (!row || !own_scratch)
		return 0;
	if ((__u32)old_state >= JSG_STATES || (__u32)new_state >= JSG_STATES) {
		COUNT(unknown_states, 1);
		return 0;
	}
	count_transition(row, old_state, new_state);

	address = address_of(sk, &own_scratch->transition_sk);
	slot = slot_of(address);
	if (is_first(old_state, new_state))
		remember(sk, own_scratch, address, slot, service_id, new_state);
	else
		follow(sk, address, slot, service_id, old_state, new_state);
	return 0;
}

/*
 * 1b. The same transition, where tracepoints can be preempted (7.0 and later). A task that preempts
 * jsg_transition on its CPU can make transitions that jsg_transition misses, and the states before
 * and after do not always show them. So the loader attaches this program there too, to run right
 * after jsg_transition. The socket's slot shows whether jsg_transition ran.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(jsg_preempted, struct sock *sk, int old_state, int new_state)
{
	__u32 service_id = service_of(sk, new_state);
	int first = is_first(old_state, new_state);
	struct jsg_scratch *own_scratch;
	struct jsg_slot *slot;
	__u64 address;

	if (!service_id || (__u32)old_state >= JSG_STATES || (__u32)new_state >= JSG_STATES)
		return 0;
	own_scratch = scratch_here();
	if (!own_scratch)
		return 0;
	address = address_of(sk, &own_scratch->preempted_sk);
	slot = slot_of(address);
	if (!slot && first && own_scratch->untracked_sk == address) {
		own_scratch->untracked_sk = 0;
		return 0; /* jsg_transition counted it, and it found no slot */
	}
	if (slot ? slot->state == new_state : !first)
		return 0;
	count_missed_one(service_id, old_state, new_state);
	if (first)
		remember(sk, own_scratch, address, slot, service_id, new_state);
	else if (slot)
		follow(sk, address, slot, service_id, old_state, new_state);
	return 0;
}

/* 1b. The end of a socket, right after ->CLOSE or when its process closes it. */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(jsg_destroy, struct sock *sk)
{
	__u32 service_id = service_of(sk, JSG_TCP_CLOSE);
	struct jsg_scratch *own_scratch;
	struct jsg_slot *slot;
	__u64 address;
	__u32 state;

	if (!service_id)
		return 0;
	own_scratch = scratch_here();
	if (!own_scratch)
		return 0;
	address = address_of(sk, &own_scratch->destroy_sk);
	slot = slot_of(address);
	if (!slot) {
		end_late(sk, address, service_id);
		return 0;
	}
	state = state_in(slot_empty(slot));
	if (state != JSG_TCP_CLOSE && state != JSG_TCP_NONE)
		count_missed(service_id, state, JSG_TCP_CLOSE, fins_of(address));
	return 0;
}

/* 2. A socket that was open before the detector. */
SEC("iter/tcp")
int jsg_existing(struct bpf_iter__tcp *context)
{
	struct sock_common *common = context->sk_common;
	struct jsg_scratch *own_scratch;
	struct tcp_sock *tp;
	__u32 state, service_id, port;
	__u64 address;

	if (!common)
		return 0;
	/* 0 for sockets in TIME_WAIT and half-open ones, which are no full sockets. */
	tp = bpf_skc_to_tcp_sock(common);
	if (!tp)
		return 0;
	if (is_elsewhere(&tp->inet_conn.icsk_inet.sk))
		return 0;
	state = tp->inet_conn.icsk_inet.sk.__sk_common.skc_state;
	port = port_number(tp->inet_conn.icsk_inet.inet_sport) & (JSG_PORTS - 1);
	service_id = jsg_service_of_port[port];
	if (state == JSG_TCP_LISTEN) {
		if (!service_id && jsg_adopt_listeners && jsg_config.monitor_listeners)
			service_id = service_claim(port);
	} else if (state == JSG_TCP_CLOSE || !is_accepted(tp)) {
		return 0;
	}
	if (!service_id) {
		note_untracked_port(port);
		return 0;
	}
	own_scratch = scratch_here();
	if (!own_scratch)
		return 0;
	address = address_of(tp, &own_scratch->existing_sk);
	/* The socket has a slot already if it was opened after the programs were attached. */
	if (!slot_of(address) && !slot_take(address, service_id, state, 1) &&
	    state != JSG_TCP_LISTEN)
		count_untracked(service_id, &tp->inet_conn.icsk_inet.sk);
	return 0;
}

/* 3. Starts the clock. The loader runs it once, because only such a program may start a timer. */
SEC("syscall")
int jsg_start(void *context)
{
	__u32 zero = 0;
	struct jsg_clock *clock = bpf_map_lookup_elem(&clocks, &zero);
	int error;

	if (!clock)
		return 1;
	error = bpf_timer_init(&clock->timer, &clocks, 1 /* CLOCK_MONOTONIC */);
	if (error)
		return error;
	jsg_sample_weight = 1;
	if (jsg_all_adopted)
		jsg_since_jiffies = bpf_jiffies64();
	clock->next_ns = bpf_ktime_get_ns();
	error = bpf_timer_set_callback(&clock->timer, tick);
	if (error)
		return error;
	return bpf_timer_start(&clock->timer, 0, 0);
}
