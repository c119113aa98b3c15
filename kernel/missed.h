/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* missed.h: the transitions that a socket made between two known states; plain C. */
#ifndef JSG_MISSED_H
#define JSG_MISSED_H

#include "jsguard.h"

/* The FINs that an ended socket has exchanged. Its fields still show them. */
#define JSG_FIN_RECEIVED 1 /* the peer's FIN arrived */
#define JSG_FIN_ACKED 2 /* the peer acknowledged our FIN */

/* The maximum number of transitions of a missed socket. JSG_TCP_NONE: it did not exist before. */
#define JSG_MISSED_MAX 4

/*
 * The state that a socket entered next on its way between two TCP states. fins: JSG_FIN_..., needed
 * only on the way to CLOSE. The network causes every missed transition (tcp_rcv_state_process() in
 * net/ipv4/tcp_input.c). So there is only one way, or one is the likely way: through FIN_WAIT2, if
 * both FINs were exchanged. A way back to a first state belongs to another socket in the same
 * memory.
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

/* The cell of a missed transition. An accepted socket comes from its listener's state. */
JSG_INLINE __u32 jsg_missed_cell(__u32 from, __u32 to)
{
	int accepted = from == JSG_TCP_NONE || (from == JSG_TCP_CLOSE && to == JSG_TCP_SYN_RECV);

	return jsg_transition_cell(accepted ? (__u32)JSG_TCP_LISTEN : from, to);
}

#endif
