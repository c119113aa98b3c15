/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* missed.bpf.h: counts the transitions for which the kernel did not run jsg_transition. */
#ifndef JSG_MISSED_BPF_H
#define JSG_MISSED_BPF_H

#include "missed.h"
#include "services.bpf.h"
#include "slots.bpf.h"

/*
 * The kernel does not run a program again on the same CPU while it is running (__bpf_trace_run() in
 * kernel/trace/bpf_trace.c). So transitions that an interrupt makes during that time are missed: up
 * to 1 in 1,000 where packets arrive in interrupts. A second program at the tracepoint would see
 * these transitions. But two programs cost several times as much as one, because the kernel calls
 * only a single program directly.
 *
 * The network causes every missed transition. The socket's process causes none, because the
 * interrupt has stopped it. The end of a connection is never missed: the kernel calls jsg_destroy
 * while interrupt work cannot run (inet_csk_destroy_sock()).
 */

/* Counts a transition in a cell of this CPU's counters. */
static __always_inline void count_transition(struct jsg_counters *row, __u32 from, __u32 to)
{
	__u32 cell = jsg_transition_cell(from, to);

	barrier_var(cell); /* the verifier of 6.1 learns its range from the comparison only */
	if (cell < JSG_TRANSITION_CELLS)
		row->transitions[cell]++;
}

static __always_inline void count_missed_one(__u32 service_id, __u32 from, __u32 to)
{
	__u32 cell = jsg_missed_cell(from, to);

	barrier_var(cell); /* the verifier of 6.1 learns its range from the comparison only */
	if (cell < JSG_TRANSITION_CELLS)
		__sync_fetch_and_add(&late_of(service_id)->transitions[cell], 1);
	COUNT(transitions_late, 1);
}

/*
 * Counts each transition on a socket's way between two states. A way that begins at JSG_TCP_NONE is
 * that of an accepted socket.
 */
static __noinline int count_missed(__u32 service_id, __u32 from, __u32 to, __u32 fins)
{
	for (int i = 0; i < JSG_MISSED_MAX && from != to; i++) {
		__u32 next = jsg_next_state(from, to, fins);

		count_missed_one(service_id, from, next);
		from = next;
	}
	return 0;
}

/*
 * Whether a socket was accepted. An accepted socket has its listener's backlog limit, but not its
 * lock on the port (sk_clone_lock()). A socket that connected has no limit, unless it listened
 * before, and then it has the lock, if it called bind(). A listener has received nothing.
 */
static __always_inline int is_accepted(const struct tcp_sock *tp)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;

	return sk->sk_max_ack_backlog && tp->rcv_nxt &&
	       !(BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks) & SOCK_BINDPORT_LOCK);
}

/* Counts an accepted socket that finds no slot. It is never sampled. */
static __always_inline void count_untracked(__u32 service_id, const struct sock *sk)
{
	COUNT(sockets_untracked, 1);
	if (sk->sk_max_ack_backlog) /* is_accepted() tests this field when the socket ends */
		__sync_fetch_and_add(&late_of(service_id)->untracked_opened, 1);
}

/*
 * Whether the beginning of a socket without a slot must have been missed, because every other
 * accepted socket of its service has a slot. This is not known
 * - if a socket of the service has found no slot,
 * - if the port had sockets before it had a service,
 * - or for a socket that may have ended before the detector started.
 */
static __always_inline int all_have_slots(const struct tcp_sock *tp, __u32 service_id)
{
	const struct jsg_service *service = bpf_map_lookup_elem(&services, &service_id);
	__u32 received = tp->inet_conn.icsk_ack.lrcvtime;
	__u64 now = bpf_jiffies64();

	return jsg_since_jiffies && service && !late_of(service_id)->untracked_opened &&
	       !(jsg_port_untracked[port_word(service->port)] & port_bit(service->port)) &&
	       received && (__u32)now - received < now - jsg_since_jiffies;
}

/* Counts the missed beginning of a socket. Called at a transition of a socket without a slot. */
static __noinline int begin_late(struct sock *sk, __u64 address, __u32 service_id, __u32 old_state,
				 __u32 new_state)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	if (!tp || !is_accepted(tp) || !all_have_slots(tp, service_id))
		return 0;
	count_missed(service_id, JSG_TCP_NONE, old_state, 0);
	if (!slot_take(address, service_id, new_state, 0))
		count_untracked(service_id, sk);
	return 0;
}

/*
 * Counts missed transitions. Called at a transition if the slot has another state or another
 * service than the socket. Up to 6.14, a socket that is accepted on behalf of another address
 * (TPROXY, sk_lookup) has its listener's port at first.
 */
static __noinline int follow_late(struct jsg_slot *slot, __u32 service_id, __u32 old_state)
{
	if (slot->state != old_state)
		count_missed(service_id, slot->state, old_state, 0);
	RELAXED_WRITE(slot->service_id, service_id);
	return 0;
}

/*
 * Which FINs an ended socket has exchanged, as JSG_FIN_... bits. The socket's memory may belong to
 * another socket by now.
 */
static __noinline __u32 fins_of(__u64 address)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)address;
	__u64 flags = BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.__sk_common.skc_flags);
	__u32 received = flags >> bpf_core_enum_value(enum sock_flags, SOCK_DONE) & 1;
	__u32 acked = BPF_CORE_READ(tp, snd_una) == BPF_CORE_READ(tp, write_seq);

	return (received ? JSG_FIN_RECEIVED : 0) | (acked ? JSG_FIN_ACKED : 0);
}

/* Called when a socket without a slot ends. Either it found no slot, or all of it was missed. */
static __noinline int end_late(struct sock *sk, __u64 address, __u32 service_id)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	if (!tp || !is_accepted(tp))
		return 0;
	if (all_have_slots(tp, service_id))
		count_missed(service_id, JSG_TCP_NONE, JSG_TCP_CLOSE, fins_of(address));
	else if (late_of(service_id)->untracked_opened)
		__sync_fetch_and_add(&late_of(service_id)->untracked_closed, 1);
	return 0;
}

/* What a program does with a socket's slot at one of its transitions. */

/* Whether the transition is the first one of a connection or of a listener. */
static __always_inline int is_first(__u32 old_state, __u32 new_state)
{
	return new_state == JSG_TCP_LISTEN ||
	       (old_state == JSG_TCP_LISTEN && new_state != JSG_TCP_CLOSE);
}

/*
 * Called at the first transition. If a slot has the socket's address already, it was left by a
 * socket that is gone, or by this socket before it was closed.
 */
static __always_inline void remember(const struct sock *sk, struct jsg_scratch *own_scratch,
				     __u64 address, struct jsg_slot *slot, __u32 service_id,
				     __u32 state)
{
	if (!slot) {
		if (slot_take(address, service_id, state, 0))
			return;
		own_scratch->untracked_sk = address;
		if (state != JSG_TCP_LISTEN)
			count_untracked(service_id, sk);
		return;
	}
	if (slot->state != JSG_TCP_CLOSE)
		count_missed(slot->service_id, slot->state, JSG_TCP_CLOSE, 0);
	slot_describe(slot, service_id, state, 0);
}

/* Called when a listener without a service begins to listen. */
static __always_inline void remember_listener(struct sock *sk, __u64 address)
{
	__u32 port = local_port(sk);
	struct jsg_slot *slot;

	/* Without bind(), the kernel chooses the port after this transition, so it may be 0. */
	if (!jsg_config.monitor_listeners || is_elsewhere(sk) ||
	    mapping_of(port) == JSG_PORT_EXCLUDED)
		return;
	slot = slot_of(address);
	if (slot)
		slot_describe(slot, 0, JSG_TCP_LISTEN, 0);
	else
		slot_take(address, 0, JSG_TCP_LISTEN, 0);
}

/* Called when a listener without a service ends. */
static __always_inline void forget_listener(__u64 address)
{
	struct jsg_slot *slot = slot_of(address);

	if (slot)
		slot_empty(slot);
}

/*
 * What a program does at a transition of a socket without a service. Most of these transitions are
 * of no interest, and must cost nothing.
 */
static __always_inline void follow_unmonitored(struct sock *sk, int is_preempted, int old_state,
					       int new_state)
{
	int begins = new_state == JSG_TCP_LISTEN;
	int ends = old_state == JSG_TCP_LISTEN && new_state == JSG_TCP_CLOSE;
	struct jsg_scratch *own_scratch;
	__u64 address;

	if (!begins && !ends)
		return;
	own_scratch = scratch_here();
	if (!own_scratch)
		return;
	address = address_of(sk, is_preempted ? &own_scratch->preempted_sk
					      : &own_scratch->transition_sk);
	if (begins)
		remember_listener(sk, address);
	else
		forget_listener(address);
}

/*
 * Called at a later transition. The slot has the last state that a program saw. If the socket comes
 * from another state, the transitions in between were missed and are counted now. A listener that
 * ends gives its slot back at once, because it may get another port, or connect.
 */
static __always_inline void follow(struct sock *sk, __u64 address, struct jsg_slot *slot,
				   __u32 service_id, __u32 old_state, __u32 new_state)
{
	if (!slot) {
		begin_late(sk, address, service_id, old_state, new_state);
		return;
	}
	if (slot->state != old_state || slot->service_id != service_id)
		follow_late(slot, service_id, old_state);
	if (old_state == JSG_TCP_LISTEN)
		slot_empty(slot);
	else
		RELAXED_WRITE(slot->state, new_state);
}

#endif
