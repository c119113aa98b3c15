/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* missed.bpf.h: counts the transitions that the kernel did not show to jsg_transition. */
#ifndef JSG_MISSED_BPF_H
#define JSG_MISSED_BPF_H

#include "missed.h"
#include "slots.bpf.h"

/*
 * The kernel runs no program inside itself on one CPU (__bpf_trace_run() in
 * kernel/trace/bpf_trace.c). So what happens in an interrupt of jsg_transition is not shown to it:
 * up to one transition in 1,000 where packets come in interrupts. A second program at the
 * tracepoint would be shown it, but two cost several times what one does: only one alone is called
 * directly.
 *
 * What is missed was done by a packet, never by the process: that is what was interrupted. And
 * jsg_destroy is shown the end of every connection, for it is called with the interrupts' work held
 * off (inet_csk_destroy_sock()).
 */

static __always_inline void count_missed_one(__u32 service, __u32 from, __u32 to)
{
	__u32 cell = jsg_missed_cell(from, to);

	barrier_var(cell); /* the verifier of 6.1 knows its range by the comparison alone */
	if (cell < JSG_TRANSITION_CELLS)
		__sync_fetch_and_add(&late_of(service)->transitions[cell], 1);
	COUNT(transitions_late, 1);
}

/* Counts what a socket did from one state to another; of JSG_TCP_NONE, that it was accepted. */
static __noinline int count_missed(__u32 service, __u32 from, __u32 to, __u32 fins)
{
	for (int i = 0; i < JSG_MISSED_MOST && from != to; i++) {
		__u32 next = jsg_next_state(from, to, fins);

		count_missed_one(service, from, next);
		from = next;
	}
	return 0;
}

/*
 * Whether a socket was accepted. It has its listener's limit on what may wait (sk_clone_lock());
 * one that was opened actively has none, and a listener has received nothing.
 */
static __always_inline int is_accepted(const struct tcp_sock *tp)
{
	return tp->inet_conn.icsk_inet.sk.sk_max_ack_backlog && tp->rcv_nxt;
}

/* Counts an accepted socket that finds no slot: it is never looked at. */
static __always_inline void count_untracked(__u32 service, const struct sock *sk)
{
	COUNT(sockets_untracked, 1);
	if (sk->sk_max_ack_backlog) /* is_accepted() at its end */
		__sync_fetch_and_add(&late_of(service)->untracked_opened, 1);
}

/*
 * Whether every accepted socket of the service, but those whose beginning was missed, has a slot.
 * Not when one has found none, nor if there were some before the service, nor for a socket that may
 * have ended before the start.
 */
static __always_inline int all_have_slots(const struct tcp_sock *tp, __u32 service)
{
	const struct jsg_service *its = bpf_map_lookup_elem(&services, &service);
	__u32 received = tp->inet_conn.icsk_ack.lrcvtime;
	__u64 now = bpf_jiffies64();

	return jsg_since_jiffies && its && !late_of(service)->untracked_opened &&
	       !(jsg_port_strangers[port_word(its->port)] & port_bit(its->port)) && received &&
	       (__u32)now - received < now - jsg_since_jiffies;
}

/* A socket without a slot moves: if all others have one, its beginning was missed. */
static __noinline int begin_late(struct sock *sk, __u64 address, __u32 service, __u32 old_state,
				 __u32 new_state)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	if (!tp || !is_accepted(tp) || !all_have_slots(tp, service))
		return 0;
	count_missed(service, JSG_TCP_NONE, old_state, 0);
	if (!slot_take(address, service, new_state, 0))
		count_untracked(service, sk);
	return 0;
}

/*
 * A socket moves from another state than its slot tells, or on another port: up to 6.14 one that is
 * accepted on behalf of another address has its listener's port at first (TPROXY, sk_lookup).
 */
static __noinline int follow_late(struct jsg_slot *slot, __u32 service, __u32 old_state)
{
	if (slot->state != old_state)
		count_missed(service, slot->state, old_state, 0);
	RELAXED_WRITE(slot->service, service);
	return 0;
}

/* What a socket that has ended shows of its end. It may be another's memory by now. */
static __noinline __u32 fins_of(__u64 address)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)address;
	__u64 flags = BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.__sk_common.skc_flags);
	__u32 received = flags >> bpf_core_enum_value(enum sock_flags, SOCK_DONE) & 1;
	__u32 acked = BPF_CORE_READ(tp, snd_una) == BPF_CORE_READ(tp, write_seq);

	return (received ? JSG_FIN_RECEIVED : 0) | (acked ? JSG_FIN_ACKED : 0);
}

/* A socket without a slot is destroyed: it found none, or all that it did was missed. */
static __noinline int end_late(struct sock *sk, __u64 address, __u32 service)
{
	const struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);

	if (!tp || !is_accepted(tp))
		return 0;
	if (all_have_slots(tp, service))
		count_missed(service, JSG_TCP_NONE, JSG_TCP_CLOSE, fins_of(address));
	else if (late_of(service)->untracked_opened)
		__sync_fetch_and_add(&late_of(service)->untracked_closed, 1);
	return 0;
}

#endif
