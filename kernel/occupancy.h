/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* occupancy.h: the phase of a connection and its age, from sample to sample; plain C. */
#ifndef JSG_OCCUPANCY_H
#define JSG_OCCUPANCY_H

#include "jsguard.h"
#include "log2.h"

/* What a sample reads of a socket, with the names of the kernel's struct tcp_sock. */
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

/* What is remembered of a socket between two samples. Times in ms, byte counts modulo 2^32. */
struct jsg_last_sample {
	__u64 sk; /* the socket: its address, and when its slot was taken */
	__u32 born_ms;
	__u32 sampled_ms;
	__u32 since_ms; /* when it entered its phase */
	__u32 bytes_sent;
	__u32 bytes_received;
	__u32 bytes_acked;
	__u32 received_at_answer; /* bytes_received when bytes_sent last changed */
	__u8 phase; /* before the split: JSG_..._SLOW for every request and response */
	__u8 age_unknown : 1; /* open before the detector, and still in its first phase */
	__u8 filling : 1; /* entered its phase at the last sample */
	__u8 reserved : 6;
	__u16 paid_ms; /* time that earlier bursts still cover, see jsg_carried() */
};
JSG_ASSERT(sizeof(struct jsg_last_sample) == 40, "jsg_last_sample is packed by hand");

/* What one sample found. */
struct jsg_sample {
	__u32 phase; /* enum jsg_phase, split into moving and slow */
	__u32 cell; /* phase * JSG_AGES + age, or JSG_NO_CELL */
	__u32 answered; /* 1: the server sent something since the last sample */
};
#define JSG_NO_CELL 0xffffffffU
/* From this age on, an unknown age is in the last bucket in any case. */
#define JSG_UNKNOWN_AGE_MS 32000
/* An age does not grow beyond this, so that the clock may wrap. */
#define JSG_MAX_AGE_MS (1U << 30)

/* The bucket of an age: under 1 s, then one for each power of two. Result 0..JSG_AGES - 1. */
JSG_INLINE __u32 jsg_age_bucket(__u32 age_ms)
{
	__u32 seconds = age_ms / 1000;
	__u32 bucket = seconds ? jsg_highest_bit(seconds) + 1 : 0;

	return bucket < JSG_AGES ? bucket : JSG_AGES - 1;
}

/*
 * Whether the client has not acknowledged all of the server's data. In the states after the
 * server's FIN, the FIN itself counts as 1 in the difference.
 */
JSG_INLINE int jsg_undelivered(const struct jsg_tcp *tcp)
{
	__u32 outstanding = tcp->write_seq - tcp->snd_una;

	if (tcp->state == JSG_TCP_FIN_WAIT1 || tcp->state == JSG_TCP_CLOSING ||
	    tcp->state == JSG_TCP_LAST_ACK)
		return outstanding > 1;
	return outstanding > 0;
}

/* The phase before the split, by the first rule of docs/algorithm.md that fits. */
JSG_INLINE __u32 jsg_phase_of(const struct jsg_tcp *tcp, __u32 received_at_answer)
{
	switch (tcp->state) {
	case JSG_TCP_ESTABLISHED:
		if (jsg_undelivered(tcp))
			return JSG_RESPONSE_SLOW;
		if (!tcp->bytes_sent || (__u32)tcp->bytes_received != received_at_answer)
			return JSG_REQUEST_SLOW;
		if ((__s32)(tcp->lrcvtime - tcp->lsndtime) > 0)
			return JSG_WAITING;
		return JSG_IDLE;
	case JSG_TCP_CLOSE_WAIT:
		return jsg_undelivered(tcp) ? JSG_RESPONSE_SLOW : JSG_HALF_CLOSED;
	case JSG_TCP_FIN_WAIT1:
	case JSG_TCP_CLOSING:
	case JSG_TCP_LAST_ACK:
		return jsg_undelivered(tcp) ? JSG_RESPONSE_SLOW : JSG_CLOSING;
	case JSG_TCP_FIN_WAIT2:
		return JSG_CLOSING;
	default:
		return JSG_NO_PHASE;
	}
}

/* Whether the bytes since the last sample are at least min_rate a second, over at least 1 s. */
JSG_INLINE int jsg_moved(__u32 bytes, __u32 elapsed_ms, __u32 min_rate)
{
	if (elapsed_ms < 1000)
		elapsed_ms = 1000;
	return (__u64)bytes * 1000 >= (__u64)min_rate * elapsed_ms;
}

/*
 * Whether earlier bursts still cover the time since the last sample. Then adds the bytes of this
 * sample. A receiver that reads steadily may open its window by 64 KiB at a time, with seconds of
 * silence in between. So bytes cover the time that they take at JSG_BURST_RATES times min_rate, up
 * to JSG_BURST_MS. Bytes in the first two samples of a phase (filling) cover nothing: buffers fill
 * by themselves, and the first sample may come while they fill. Domain: min_rate >= 1. Bit budget:
 * 2^32 bytes times 1,000 are below 2^42.
 */
#define JSG_BURST_RATES 8
#define JSG_BURST_MS 8000

JSG_INLINE int jsg_carried(struct jsg_last_sample *last, __u32 bytes, __u32 elapsed_ms,
			   __u32 min_rate)
{
	int carried = last->paid_ms && last->paid_ms >= elapsed_ms;
	__u64 paid_ms = carried ? last->paid_ms - elapsed_ms : 0;

	paid_ms += (__u64)bytes * 1000 / ((__u64)min_rate * JSG_BURST_RATES);
	last->paid_ms = paid_ms < JSG_BURST_MS ? (__u16)paid_ms : JSG_BURST_MS;
	return carried;
}

/* Whether a request or a response moves: enough bytes since the last sample, or earlier bursts. */
JSG_INLINE int jsg_moves(struct jsg_last_sample *last, __u32 bytes, __u32 elapsed_ms,
			 __u32 min_rate, int filling)
{
	int carried;

	if (filling) {
		last->paid_ms = 0;
		return jsg_moved(bytes, elapsed_ms, min_rate);
	}
	carried = jsg_carried(last, bytes, elapsed_ms, min_rate);
	return jsg_moved(bytes, elapsed_ms, min_rate) || carried;
}

/* Begins the record of a socket, which took its slot at born_ms. */
JSG_INLINE void jsg_begin_sampling(struct jsg_last_sample *last, const struct jsg_tcp *tcp,
				   __u64 sk, __u32 born_ms, int was_there_before)
{
	last->sk = sk;
	last->born_ms = born_ms;
	last->sampled_ms = born_ms;
	last->since_ms = born_ms;
	last->bytes_sent = 0;
	last->bytes_received = 0;
	last->bytes_acked = 0;
	last->received_at_answer = 0;
	last->phase = JSG_PHASES;
	last->age_unknown = 0;
	last->filling = 0;
	last->reserved = 0;
	last->paid_ms = 0;
	if (!was_there_before)
		return;
	/* What it sent and received before the detector is not progress. */
	last->age_unknown = 1;
	last->bytes_sent = (__u32)tcp->bytes_sent;
	last->bytes_received = (__u32)tcp->bytes_received;
	last->bytes_acked = (__u32)tcp->bytes_acked;
	last->received_at_answer = (__u32)tcp->bytes_received;
}

/* One sample: updates the record and returns phase and cell. The first phase began at born_ms. */
JSG_INLINE struct jsg_sample jsg_sample_socket(struct jsg_last_sample *last,
					       const struct jsg_tcp *tcp, __u32 now_ms,
					       __u32 min_rate)
{
	struct jsg_sample sample = {.phase = JSG_NO_PHASE, .cell = JSG_NO_CELL, .answered = 0};
	__u32 received = (__u32)tcp->bytes_received - last->bytes_received;
	__u32 acked = (__u32)tcp->bytes_acked - last->bytes_acked;
	__u32 elapsed_ms = now_ms - last->sampled_ms;
	__u32 phase, age_ms;
	int entered, filling;

	if ((__u32)tcp->bytes_sent != last->bytes_sent) {
		sample.answered = 1;
		last->bytes_sent = (__u32)tcp->bytes_sent;
		last->received_at_answer = (__u32)tcp->bytes_received;
	}
	last->bytes_received = (__u32)tcp->bytes_received;
	last->bytes_acked = (__u32)tcp->bytes_acked;
	last->sampled_ms = now_ms;

	phase = jsg_phase_of(tcp, last->received_at_answer);
	entered = last->phase != phase;
	filling = entered || last->filling;
	last->filling = (__u8)entered;
	if (entered) {
		if (last->phase != JSG_PHASES) {
			last->since_ms = now_ms;
			last->age_unknown = 0;
		}
		last->phase = (__u8)phase;
	}
	age_ms = now_ms - last->since_ms;
	if (age_ms > JSG_MAX_AGE_MS) {
		age_ms = JSG_MAX_AGE_MS;
		last->since_ms = now_ms - age_ms;
	}

	if (phase == JSG_REQUEST_SLOW && jsg_moves(last, received, elapsed_ms, min_rate, filling))
		phase = JSG_REQUEST_MOVING;
	if (phase == JSG_RESPONSE_SLOW && jsg_moves(last, acked, elapsed_ms, min_rate, filling))
		phase = JSG_RESPONSE_MOVING;
	sample.phase = phase;
	if (phase < JSG_CELL_PHASES && !(last->age_unknown && age_ms < JSG_UNKNOWN_AGE_MS))
		sample.cell = phase * JSG_AGES + jsg_age_bucket(age_ms);
	return sample;
}

#endif
