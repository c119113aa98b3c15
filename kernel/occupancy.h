/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* occupancy.h: the phase of a connection and its age, from look to look; plain C. */
#ifndef JSG_OCCUPANCY_H
#define JSG_OCCUPANCY_H

#include "jsguard.h"
#include "log2.h"

/* What a look reads of a socket, named as in the kernel's struct tcp_sock. */
struct jsg_tcp {
	__u64 bytes_sent;
	__u64 bytes_received;
	__u64 bytes_acked;
	__u32 write_seq;
	__u32 snd_una;
	__u32 lsndtime; /* jiffies of our last data */
	__u32 lrcvtime; /* jiffies of the client's last data */
	__u32 state;
	__u32 port; /* local, host order */
};

/* What is remembered of a socket between two looks. Times in ms, byte counts modulo 2^32. */
struct jsg_look {
	__u64 sk; /* whose record this is: address, and when its slot was taken */
	__u32 born_ms;
	__u32 looked_ms;
	__u32 since_ms; /* when it entered its phase */
	__u32 bytes_sent;
	__u32 bytes_received;
	__u32 bytes_acked;
	__u32 received_at_answer; /* bytes_received when bytes_sent last changed */
	__u8 phase; /* not split: request and response stand as stalled */
	__u8 age_unknown : 1; /* it was there before the detector, and is still in the phase it had
			       */
	__u8 filling : 1; /* it entered its phase at the last look */
	__u8 reserved : 6;
	__u16 paid_ms; /* that its last bursts still pay for, see jsg_carried() */
};
JSG_ASSERT(sizeof(struct jsg_look) == 40, "jsg_look is packed by hand");

/* What one look found. */
struct jsg_sight {
	__u32 phase; /* enum jsg_phase, split */
	__u32 cell; /* phase * JSG_AGES + age, or JSG_NO_CELL */
	__u32 answered; /* 1: the server sent something since the last look */
};
#define JSG_NO_CELL 0xffffffffU
#define JSG_UNKNOWN_AGE_MS                                                                         \
	32000 /* from here on an age is in the last bucket, however long it was before */
#define JSG_LONGEST_AGE_MS (1U << 30) /* an age stops growing here, so that the clock may wrap */

/* The bucket of an age: under 1 s, then one for each power of two. Result 0..JSG_AGES - 1. */
JSG_INLINE __u32 jsg_age_bucket(__u32 age_ms)
{
	__u32 seconds = age_ms / 1000;
	__u32 bucket = seconds ? jsg_highest_bit(seconds) + 1 : 0;

	return bucket < JSG_AGES ? bucket : JSG_AGES - 1;
}

/*
 * Whether the server has data that the client has not acknowledged; an unacknowledged FIN counts as
 * 1 there.
 */
JSG_INLINE int jsg_undelivered(const struct jsg_tcp *tcp)
{
	__u32 outstanding = tcp->write_seq - tcp->snd_una;

	if (tcp->state == JSG_TCP_FIN_WAIT1 || tcp->state == JSG_TCP_CLOSING ||
	    tcp->state == JSG_TCP_LAST_ACK)
		return outstanding > 1;
	return outstanding > 0;
}

/* The phase, not yet split: the first rule that fits, in the order of docs/algorithm.md. */
JSG_INLINE __u32 jsg_phase_of(const struct jsg_tcp *tcp, __u32 received_at_answer)
{
	switch (tcp->state) {
	case JSG_TCP_ESTABLISHED:
		if (jsg_undelivered(tcp))
			return JSG_RESPONSE_STALLED;
		if (!tcp->bytes_sent || (__u32)tcp->bytes_received != received_at_answer)
			return JSG_REQUEST_STALLED;
		if ((__s32)(tcp->lrcvtime - tcp->lsndtime) > 0)
			return JSG_WAITING;
		return JSG_IDLE;
	case JSG_TCP_CLOSE_WAIT:
		return jsg_undelivered(tcp) ? JSG_RESPONSE_STALLED : JSG_UNNOTICED;
	case JSG_TCP_FIN_WAIT1:
	case JSG_TCP_CLOSING:
	case JSG_TCP_LAST_ACK:
		return jsg_undelivered(tcp) ? JSG_RESPONSE_STALLED : JSG_CLOSING;
	case JSG_TCP_FIN_WAIT2:
		return JSG_CLOSING;
	default:
		return JSG_NO_PHASE;
	}
}

/*
 * Whether so many bytes since the last look make at least min_rate a second, over at least a
 * second.
 */
JSG_INLINE int jsg_moved(__u32 bytes, __u32 elapsed_ms, __u32 min_rate)
{
	if (elapsed_ms < 1000)
		elapsed_ms = 1000;
	return (__u64)bytes * 1000 >= (__u64)min_rate * elapsed_ms;
}

/*
 * Whether a burst before the last look still pays for the time since; takes the bytes since then
 * into account. A receiver that reads steadily may open its window by 64 KiB at a time, and is
 * silent for seconds between: so bytes pay for the time that they take at JSG_BURST_RATES times
 * min_rate, and up to JSG_BURST_MS; but not those that the first two looks at a phase find
 * (filling): buffers fill by themselves, and the first look may come while they do.
 * Domain: min_rate >= 1. Bit budget: 2^32 bytes times 1,000 fit 2^42.
 */
#define JSG_BURST_RATES 8
#define JSG_BURST_MS 8000

JSG_INLINE int jsg_carried(struct jsg_look *look, __u32 bytes, __u32 elapsed_ms, __u32 min_rate)
{
	int carried = look->paid_ms && look->paid_ms >= elapsed_ms;
	__u64 paid_ms = carried ? look->paid_ms - elapsed_ms : 0;

	paid_ms += (__u64)bytes * 1000 / ((__u64)min_rate * JSG_BURST_RATES);
	look->paid_ms = paid_ms < JSG_BURST_MS ? (__u16)paid_ms : JSG_BURST_MS;
	return carried;
}

/* Whether a request or a response moves: enough bytes since the last look, or a burst before it. */
JSG_INLINE int jsg_moves(struct jsg_look *look, __u32 bytes, __u32 elapsed_ms, __u32 min_rate,
			 int filling)
{
	int carried;

	if (filling) {
		look->paid_ms = 0;
		return jsg_moved(bytes, elapsed_ms, min_rate);
	}
	carried = jsg_carried(look, bytes, elapsed_ms, min_rate);
	return jsg_moved(bytes, elapsed_ms, min_rate) || carried;
}

/* Begins the record of a socket whose slot was taken at born_ms. */
JSG_INLINE void jsg_look_begin(struct jsg_look *look, const struct jsg_tcp *tcp, __u64 sk,
			       __u32 born_ms, int was_there_before)
{
	look->sk = sk;
	look->born_ms = born_ms;
	look->looked_ms = born_ms;
	look->since_ms = born_ms;
	look->bytes_sent = 0;
	look->bytes_received = 0;
	look->bytes_acked = 0;
	look->received_at_answer = 0;
	look->phase = JSG_PHASES;
	look->age_unknown = 0;
	look->filling = 0;
	look->reserved = 0;
	look->paid_ms = 0;
	if (!was_there_before)
		return;
	/* What it sent and received before is no news. */
	look->age_unknown = 1;
	look->bytes_sent = (__u32)tcp->bytes_sent;
	look->bytes_received = (__u32)tcp->bytes_received;
	look->bytes_acked = (__u32)tcp->bytes_acked;
	look->received_at_answer = (__u32)tcp->bytes_received;
}

/*
 * One look: updates the record and tells phase and cell. At the first look the phase dates from the
 * start.
 */
JSG_INLINE struct jsg_sight jsg_look_at(struct jsg_look *look, const struct jsg_tcp *tcp,
					__u32 now_ms, __u32 min_rate)
{
	struct jsg_sight sight = {.phase = JSG_NO_PHASE, .cell = JSG_NO_CELL, .answered = 0};
	__u32 received = (__u32)tcp->bytes_received - look->bytes_received;
	__u32 acked = (__u32)tcp->bytes_acked - look->bytes_acked;
	__u32 elapsed_ms = now_ms - look->looked_ms;
	__u32 phase, age_ms;
	int entered, filling;

	if ((__u32)tcp->bytes_sent != look->bytes_sent) {
		sight.answered = 1;
		look->bytes_sent = (__u32)tcp->bytes_sent;
		look->received_at_answer = (__u32)tcp->bytes_received;
	}
	look->bytes_received = (__u32)tcp->bytes_received;
	look->bytes_acked = (__u32)tcp->bytes_acked;
	look->looked_ms = now_ms;

	phase = jsg_phase_of(tcp, look->received_at_answer);
	entered = look->phase != phase;
	filling = entered || look->filling;
	look->filling = (__u8)entered;
	if (entered) {
		if (look->phase != JSG_PHASES) {
			look->since_ms = now_ms;
			look->age_unknown = 0;
		}
		look->phase = (__u8)phase;
	}
	age_ms = now_ms - look->since_ms;
	if (age_ms > JSG_LONGEST_AGE_MS) {
		age_ms = JSG_LONGEST_AGE_MS;
		look->since_ms = now_ms - age_ms;
	}

	if (phase == JSG_REQUEST_STALLED &&
	    jsg_moves(look, received, elapsed_ms, min_rate, filling))
		phase = JSG_REQUEST_MOVING;
	if (phase == JSG_RESPONSE_STALLED && jsg_moves(look, acked, elapsed_ms, min_rate, filling))
		phase = JSG_RESPONSE_MOVING;
	sight.phase = phase;
	if (phase < JSG_CELL_PHASES && !(look->age_unknown && age_ms < JSG_UNKNOWN_AGE_MS))
		sight.cell = phase * JSG_AGES + jsg_age_bucket(age_ms);
	return sight;
}

#endif
