/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* jsguard.bpf.c: the detector's programs. User space loads them and prints their alerts. */

/*
 * What happens, in the order of execution. The numbers appear again at the code.
 *
 * 1. A TCP socket changes its state. The kernel calls the tracepoint inet_sock_set_state, on any
 * CPU and in any context. The program finds the service of the local port by one load from a table
 * of 65,536 bytes [services.bpf.h]. The first accepted connection of a port claims a service entry
 * for it. If the port is not monitored, nothing else happens. Otherwise the program adds 1 to the
 * cell (old state, new state) of that service in this CPU's own counters, which only grow. An
 * accepted connection (LISTEN->SYN_RECV) takes a slot in a flat table, under its address, and keeps
 * it until it is destroyed. A listener has a slot too while it listens, with or without a service
 * [slots.bpf.h]. The program takes no lock, allocates no memory and reads no clock.
 *
 * 1b. The kernel does not run this program again on the same CPU while it is running. So
 * transitions made by an interrupt during that time are missed. The socket's slot shows the miss at
 * the socket's next transition, or at the latest when the socket is destroyed. The program then
 * counts the missed transitions between the two states [missed.bpf.h, missed.h].
 *
 * 2. After attaching the programs, the loader runs an iterator once over the sockets that were open
 * before. Each of these sockets takes a slot too, with a mark that its age is not known.
 *
 * 3. A timer ticks TICKS times a step. Each tick does a small part of the work, so that no callback
 * takes long [clock.bpf.h].
 *
 * 3a. The tick samples one slice of the slots. A socket's state and byte counts give its phase
 * (what does the connection wait for?) and its age in that phase. Both are counted for the socket's
 * service [sampling.bpf.h, occupancy.h]. If the service's last window had more sockets in that cell
 * than is normal, the remote address is counted too [sources.bpf.h].
 *
 * 3b. The tick makes the service step of one service. So each service has one service step in each
 * step.
 *
 * 4. A service step reads all counters of the service once. The window is the difference between
 * this reading and the reading from one window length ago [window.bpf.h].
 *
 * 5. The service step measures the window [comparison.h, js_divergence.h, decision.h,
 * significance.h]:
 * - the Jensen-Shannon divergences of its transitions and of its occupancy from the service's
 *   baseline, in fixed point,
 * - how many sockets are open, and how many are expected at this rate of exchanges,
 * - the significance bounds.
 *
 * 6. The service step judges the window. The verdict on each signal is *above* if the divergence is
 * above the threshold and the other evidence is there too. Every other verdict gives the
 * reason. Several steps in a row with the verdict *above* raise an alert, and several steps below
 * clear it. Only alerts go through the ring buffer. The window's record goes into a map
 * [service_step.bpf.h, decision.h, alert.bpf.h].
 *
 * 7. In its first learning time, a service learns every step. If that was not enough traffic, it
 * goes on learning, but quiet steps only. A service that was asked to relearn also learns quiet
 * steps only, and is judged at the same time [learning.bpf.h, spread.h].
 */

#include "clock.bpf.h"

#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* 1. A transition. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(jsg_transition, struct sock *sk, int old_state, int new_state)
{
	__u32 service_id = service_at(sk, old_state, new_state);
	struct jsg_counters *row;
	struct jsg_scratch *own_scratch;
	struct jsg_slot *slot;
	__u64 address;

	if (!service_id) {
		follow_unmonitored(sk, 0, old_state, new_state);
		return 0;
	}
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
	note_deviating_end(address, service_id, old_state, new_state);
	slot = slot_of(address);
	if (is_first(old_state, new_state))
		remember(sk, own_scratch, address, slot, service_id, new_state);
	else
		follow(sk, address, slot, service_id, old_state, new_state);
	return 0;
}

/*
 * 1b. The same transition, on kernels whose tracepoints can be preempted (7.0 and later). A task
 * that preempts jsg_transition on its CPU can make transitions that jsg_transition misses. The
 * states before and after do not always show these transitions. So on such kernels the loader
 * attaches this program too, and the kernel runs it right after jsg_transition. The socket's slot
 * shows whether jsg_transition ran.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(jsg_preempted, struct sock *sk, int old_state, int new_state)
{
	__u32 service_id = service_at(sk, old_state, new_state);
	int first = is_first(old_state, new_state);
	struct jsg_scratch *own_scratch;
	struct jsg_slot *slot;
	__u64 address;

	if (!service_id) {
		follow_unmonitored(sk, 1, old_state, new_state);
		return 0;
	}
	if ((__u32)old_state >= JSG_STATES || (__u32)new_state >= JSG_STATES)
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
	note_deviating_end(address, service_id, old_state, new_state);
	count_missed_one(service_id, old_state, new_state);
	if (first)
		remember(sk, own_scratch, address, slot, service_id, new_state);
	else if (slot)
		follow(sk, address, slot, service_id, old_state, new_state);
	return 0;
}

/* 1b. A socket is destroyed: right after ->CLOSE, or when its process closes it. */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(jsg_destroy, struct sock *sk)
{
	__u32 service_id = service_of(sk);
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
	if (state != JSG_TCP_CLOSE && state != JSG_TCP_NONE) {
		count_missed(service_id, state, JSG_TCP_CLOSE, fins_of(address));
		note_deviating_end(address, service_id, state, JSG_TCP_CLOSE);
	}
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
	int may_be_monitored;
	__u64 address;

	if (!common)
		return 0;
	/* 0 for sockets in TIME_WAIT and for half-open ones: they are no full sockets. */
	tp = bpf_skc_to_tcp_sock(common);
	if (!tp)
		return 0;
	if (is_elsewhere(&tp->inet_conn.icsk_inet.sk))
		return 0;
	state = tp->inet_conn.icsk_inet.sk.__sk_common.skc_state;
	port = port_number(tp->inet_conn.icsk_inet.inet_sport) & (JSG_PORTS - 1);
	service_id = service_of(&tp->inet_conn.icsk_inet.sk);
	may_be_monitored = jsg_config.monitor_listeners && mapping_of(port) != JSG_PORT_EXCLUDED;
	if (state == JSG_TCP_LISTEN) {
		if (!service_id && !may_be_monitored)
			return 0;
	} else if (state == JSG_TCP_CLOSE || !is_accepted(tp)) {
		return 0;
	} else if (!service_id) {
		if (may_be_monitored && jsg_adopt_listeners)
			service_id = service_claim(port);
		if (!service_id) {
			note_untracked_port(port);
			return 0;
		}
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

/* 3. Starts the clock. The loader runs it once, because only such a program may start a timer.
 */
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
