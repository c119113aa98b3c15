/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* jsguard.bpf.c: the detector, wholly in the kernel; user space loads it and prints its alerts. */

/*
 * What happens, in the order of execution. The numbers stand again at the code.
 *
 * 1. A TCP socket changes its state. The kernel calls the tracepoint inet_sock_set_state, on
 * whatever CPU and in whatever context that happens. The local port gives the service by one load
 * from a table of 65,536 bytes; a socket of a port that is not guarded is done with here. Else the
 * cell (old state, new state) of that service is counted in this CPU's own counters, which only
 * ever grow. A connection that is accepted (LISTEN->SYN_RECV) and a socket that begins to listen
 * take a slot in a flat table, under their address, until they are destroyed. No lock, no
 * allocation, no clock.  [below, and slots.bpf.h]
 *
 * 1b. What happens in an interrupt of that program the kernel does not show to it. The socket's
 * slot tells, at its next transition, and at last when it is destroyed: what is between the state
 * that it was left in and that in which it is found is counted then.  [missed.bpf.h, missed.h]
 *
 * 2. Once, after attaching, the loader lets an iterator pass over the sockets that were there
 * before. They take a slot too, with a mark that their age is not known.
 *
 * 3. A timer ticks TICKS times a step. Each tick does two things, so that no callback is long.
 *
 * 3a. It looks at one slice of the slots. Each socket's phase (what is it waiting for?) and age in
 * that phase are found from its state and byte counts, and counted for its service. [occupancy.h]
 * Where the last window had too many of its kind, its remote address is counted too.
 * [sources.bpf.h]
 *
 * 3b. It gives one service its turn: in a step, each has one.
 *
 * 4. A service's turn closes its step: all counters are read once, and the window is the difference
 * between this reading and the one a window ago.  [window.bpf.h]
 *
 * 5. The window is measured: the Jensen-Shannon divergence of its transitions, and of its
 * occupancy, from the service's baseline, in fixed point; how many sockets are open, and how many
 * are to be expected at this rate of exchanges; and how far chance alone would put it.
 * [comparison.h, js_divergence.h, decision.h, chance.h]
 *
 * 6. The window is judged: over the threshold with the evidence, or why not. So many steps over it
 * in a row raise an alert, so many under it clear it. That is all that goes through the ring
 * buffer. The record of the window goes into a map.  [service.bpf.h, decision.h, alert.bpf.h]
 *
 * 7. A service that has no baseline yet learns the step instead, or, later on, what was quiet; one
 * that was asked to learn anew does so beside the judging.  [learning.bpf.h, spread.h]
 */

#include "looks.bpf.h"
#include "service.bpf.h"

#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* 1. A transition. */

/* Whether the socket is in another network namespace than the one that is guarded. */
static __always_inline int is_elsewhere(const struct sock *sk)
{
	return jsg_config.netns && sk->__sk_common.skc_net.net->ns.inum != jsg_config.netns;
}

/*
 * The local port of a TCP socket, 0 for one of another protocol. Not skc_num, which is 0 already at
 * ->CLOSE.
 */
static __always_inline __u32 local_port(struct sock *sk)
{
	const struct inet_sock *inet;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (jsg_config.has_rdonly_cast)
		inet = bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct inet_sock));
	else
		inet = (const struct inet_sock *)bpf_skc_to_tcp_sock(sk);
	return inet ? port_number(inet->inet_sport) & (JSG_PORTS - 1) : 0;
}

/* The service that guards the socket, 0 for none. A port that begins to listen is given one. */
static __always_inline __u32 service_of(struct sock *sk, __u32 new_state)
{
	__u32 port = local_port(sk);
	__u32 service = jsg_service_of_port[port];

	if (service)
		return is_elsewhere(sk) ? 0 : service;
	if (new_state != JSG_TCP_LISTEN || !jsg_config.guard_listeners || !port || is_elsewhere(sk))
		return 0;
	return service_claim(port);
}

static __always_inline struct jsg_called *called_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&called, &zero);
}

/* Whether what is entered is the first state of a connection, or of a listener. */
static __always_inline int is_first(__u32 old_state, __u32 new_state)
{
	return new_state == JSG_TCP_LISTEN ||
	       (old_state == JSG_TCP_LISTEN && new_state != JSG_TCP_CLOSE);
}

/*
 * An accepted connection, or a listener. A slot that it has already is that of one that is gone, or
 * its own from before, closed.
 */
static __always_inline void remember(const struct sock *sk, struct jsg_called *here, __u64 address,
				     struct jsg_slot *slot, __u32 service, __u32 state)
{
	if (!slot) {
		if (slot_take(address, service, state, 0))
			return;
		here->untracked_sk = address;
		if (state != JSG_TCP_LISTEN)
			count_untracked(service, sk);
		return;
	}
	if (slot->state != JSG_TCP_CLOSE)
		count_missed(slot->service, slot->state, JSG_TCP_CLOSE, 0);
	slot_describe(slot, service, state, 0);
}

/*
 * A later transition. A slot holds the state that its socket was left in: where that is not the
 * state that the socket comes from, what is in between was missed, and is counted now.
 */
static __always_inline void follow(struct sock *sk, __u64 address, struct jsg_slot *slot,
				   __u32 service, __u32 old_state, __u32 new_state)
{
	if (!slot) {
		begin_late(sk, address, service, old_state, new_state);
		return;
	}
	if (slot->state != old_state || slot->service != service)
		follow_late(slot, service, old_state);
	RELAXED_WRITE(slot->state, new_state);
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(jsg_transition, struct sock *sk, int old_state, int new_state)
{
	__u32 service = service_of(sk, new_state);
	struct jsg_counters *row;
	struct jsg_called *here;
	struct jsg_slot *slot;
	__u64 address;
	__u32 cell;

	if (!service)
		return 0;
	row = bpf_map_lookup_elem(&counters, &service);
	here = called_here();
	if (!row || !here)
		return 0;
	if ((__u32)old_state >= JSG_STATES || (__u32)new_state >= JSG_STATES) {
		COUNT(unknown_states, 1);
		return 0;
	}
	cell = jsg_transition_cell(old_state, new_state);
	barrier_var(cell); /* the verifier of 6.1 knows its range by the comparison alone */
	if (cell < JSG_TRANSITION_CELLS)
		row->transitions[cell]++;

	address = address_of(sk, &here->transition_sk);
	slot = slot_of(address);
	if (is_first(old_state, new_state))
		remember(sk, here, address, slot, service, new_state);
	else
		follow(sk, address, slot, service, old_state, new_state);
	return 0;
}

/*
 * The same transition, where tracepoints can be preempted: what another task did while
 * jsg_transition stood still on this CPU was not shown to it, and is not always told by the states
 * before and after. The loader attaches this one there alone, to be called right after it. Whether
 * it was run the socket's slot tells.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(jsg_preempted, struct sock *sk, int old_state, int new_state)
{
	__u32 service = service_of(sk, new_state);
	int first = is_first(old_state, new_state);
	struct jsg_called *here;
	struct jsg_slot *slot;
	__u64 address;

	if (!service || (__u32)old_state >= JSG_STATES || (__u32)new_state >= JSG_STATES)
		return 0;
	here = called_here();
	if (!here)
		return 0;
	address = address_of(sk, &here->preempted_sk);
	slot = slot_of(address);
	if (!slot && first && here->untracked_sk == address) {
		here->untracked_sk = 0;
		return 0; /* it was counted, and found no slot */
	}
	if (slot ? slot->state == new_state : !first)
		return 0;
	count_missed_one(service, old_state, new_state);
	if (first)
		remember(sk, here, address, slot, service, new_state);
	else if (slot)
		follow(sk, address, slot, service, old_state, new_state);
	return 0;
}

/* 1b. The end of a socket, right after ->CLOSE or when its process closes it. */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(jsg_destroy, struct sock *sk)
{
	__u32 service = service_of(sk, JSG_TCP_CLOSE);
	struct jsg_called *here;
	struct jsg_slot *slot;
	__u64 address;
	__u32 state;

	if (!service)
		return 0;
	here = called_here();
	if (!here)
		return 0;
	address = address_of(sk, &here->destroy_sk);
	slot = slot_of(address);
	if (!slot) {
		end_late(sk, address, service);
		return 0;
	}
	state = state_in(slot_leave(slot));
	if (state != JSG_TCP_CLOSE && state != JSG_TCP_NONE)
		count_missed(service, state, JSG_TCP_CLOSE, fins_of(address));
	return 0;
}

/* 2. A socket that was there before. */
SEC("iter/tcp")
int jsg_existing(struct bpf_iter__tcp *context)
{
	struct sock_common *common = context->sk_common;
	struct jsg_called *here;
	struct tcp_sock *tp;
	__u32 state, service, port;
	__u64 address;

	if (!common)
		return 0;
	/* None for TIME_WAIT and half-open ones, which are no full sockets. */
	tp = bpf_skc_to_tcp_sock(common);
	if (!tp)
		return 0;
	if (is_elsewhere(&tp->inet_conn.icsk_inet.sk))
		return 0;
	state = tp->inet_conn.icsk_inet.sk.__sk_common.skc_state;
	port = port_number(tp->inet_conn.icsk_inet.inet_sport) & (JSG_PORTS - 1);
	service = jsg_service_of_port[port];
	if (state == JSG_TCP_LISTEN) {
		if (!service && jsg_adopt_listeners && jsg_config.guard_listeners)
			service = service_claim(port);
	} else if (state == JSG_TCP_CLOSE || !is_accepted(tp)) {
		return 0;
	}
	if (!service) {
		note_strangers(port);
		return 0;
	}
	here = called_here();
	if (!here)
		return 0;
	address = address_of(tp, &here->existing_sk);
	/* It may have come since the tracepoint was attached. */
	if (!slot_of(address) && !slot_take(address, service, state, 1) && state != JSG_TCP_LISTEN)
		count_untracked(service, &tp->inet_conn.icsk_inet.sk);
	return 0;
}

/* 3. The clock. */
#define TICKS JSG_SERVICES /* a step: a slice of the slots and the turn of one service each */
#define SLICE (SLOTS / TICKS)
JSG_ASSERT(SLOTS % (TICKS * GROUP) == 0, "the slices make up the slots, and groups a slice");

/* Sockets looked at a second before a sample has to do: about 1 % of one CPU. */
#define LOOKS_PER_SECOND 32768

struct jsg_clock {
	struct bpf_timer timer;
	__u64 next_ns;
	__u32 tick; /* of the step */
	__u32 remembered; /* sockets found since the step began */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct jsg_clock);
} clocks SEC(".maps");

/* What the next step looks at: all sockets, or those in every 2nd, 4th ... group of slots. */
static __always_inline void choose_sample(struct jsg_clock *clock)
{
	__u64 affordable = LOOKS_PER_SECOND * step_seconds();
	__u32 shift = 0;

	if (clock->remembered > affordable)
		shift = jsg_highest_bit((clock->remembered - 1) / affordable) + 1;
	jsg_sample_weight = 1U << (shift & 15);
	clock->remembered = 0;
}

static __always_inline void keep_cost(__u64 from_ns, __u64 to_ns)
{
	__u32 zero = 0;
	struct jsg_ticks *all = bpf_map_lookup_elem(&ticks, &zero);
	__u64 took_ns = to_ns - from_ns;

	if (!all)
		return;
	all->count++;
	all->total_ns += took_ns;
	if (all->longest_ns < took_ns)
		all->longest_ns = took_ns;
	all->last_ns = to_ns;
}

static int tick(void *map, __u32 *key, struct jsg_clock *clock)
{
	__u64 began_ns = bpf_ktime_get_ns();
	__u64 period_ns = jsg_config.step_ns / TICKS;
	__u64 now_ns;
	struct jsg_walk walk = {
		.first = clock->tick * SLICE,
		.now_ms = began_ns / NS_IN_MS,
		.sample_mask = jsg_sample_weight - 1,
		.weight = jsg_sample_weight,
	};

	RELAXED_WRITE(jsg_now_ms, walk.now_ms);
	bpf_loop(SLICE / GROUP, look_at_group, &walk, 0);
	clock->remembered += walk.remembered;
	service_turn(clock->tick + 1, began_ns);
	if (++clock->tick == TICKS) {
		clock->tick = 0;
		choose_sample(clock);
	}

	clock->next_ns += period_ns;
	now_ns = bpf_ktime_get_ns();
	keep_cost(began_ns, now_ns);
	if (now_ns > clock->next_ns + jsg_config.step_ns) {
		COUNT(steps_late, (now_ns - clock->next_ns) / jsg_config.step_ns);
		clock->next_ns = now_ns + period_ns;
	}
	bpf_timer_start(&clock->timer, clock->next_ns > now_ns ? clock->next_ns - now_ns : 1, 0);
	return 0;
}

/* Run once by the loader: only a syscall or tracing program may arm a timer. */
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
