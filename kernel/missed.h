/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* missed.h: which transitions a socket made between two states that were seen; plain C. */
#ifndef JSG_MISSED_H
#define JSG_MISSED_H

#include "jsguard.h"

/* What a socket that has ended still shows of its end. */
#define JSG_FIN_RECEIVED 1 /* the other end's */
#define JSG_FIN_ACKED 2 /* ours */

/* As many as a socket can make from JSG_TCP_NONE, which stands for one that is not there yet. */
#define JSG_MISSED_MOST 4

/*
 * The state that a socket entered next on its way between two TCP states of which it left the first
 * and was in the second. Fins: JSG_FIN_..., asked for on the way to CLOSE alone. What is missed
 * came from the network (tcp_rcv_state_process() in net/ipv4/tcp_input.c), so there is but one way,
 * or one that is likely: of the two in which both FINs end, that through FIN_WAIT2.
 * A way back to a beginning is that of another socket in the same memory.
 */
JSG_INLINE __u32 jsg_next_state(__u32 from, __u32 to, __u32 fins)
{
	int begins = to == JSG_TCP_SYN_RECV || to == JSG_TCP_ESTABLISHED;
	int closes = to == JSG_TCP_CLOSE;

	if (from == JSG_TCP_NONE)
		return JSG_TCP_SYN_RECV;
	if (from == JSG_TCP_SYN_RECV)
		return JSG_TCP_ESTABLISHED;
	if (begins && from != JSG_TCP_SYN_SENT)
		return from == JSG_TCP_CLOSE ? (__u32)JSG_TCP_SYN_RECV : (__u32)JSG_TCP_CLOSE;
	if (from == JSG_TCP_ESTABLISHED) {
		if (to == JSG_TCP_LAST_ACK || (closes && fins & JSG_FIN_RECEIVED))
			return JSG_TCP_CLOSE_WAIT;
		if (to == JSG_TCP_FIN_WAIT2 || to == JSG_TCP_CLOSING)
			return JSG_TCP_FIN_WAIT1;
	}
	if (from == JSG_TCP_FIN_WAIT1 && closes) {
		if (fins & JSG_FIN_ACKED)
			return JSG_TCP_FIN_WAIT2;
		if (fins & JSG_FIN_RECEIVED)
			return JSG_TCP_CLOSING;
	}
	return to;
}

/* The cell of a transition that was missed: a socket comes from its listener's state. */
JSG_INLINE __u32 jsg_missed_cell(__u32 from, __u32 to)
{
	int accepted = from == JSG_TCP_NONE || (from == JSG_TCP_CLOSE && to == JSG_TCP_SYN_RECV);

	return jsg_transition_cell(accepted ? (__u32)JSG_TCP_LISTEN : from, to);
}

#endif
