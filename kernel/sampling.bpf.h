/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sampling.bpf.h: samples the sockets in the slots, all of them or a fair part. */
#ifndef JSG_SAMPLING_BPF_H
#define JSG_SAMPLING_BPF_H

#include "missed.bpf.h"
#include "sources.bpf.h"

/* The tick samples a group of slots at a time. */
#define GROUP 16
JSG_ASSERT(SLOTS % GROUP == 0, "the last group is whole");

/*
 * The largest number of sockets that are sampled in a second, which takes about 1 % of one CPU. If
 * there are more sockets, only every 2nd, 4th ... group is sampled. A hash selects a socket's slot,
 * so such a part of the groups is a fair sample.
 */
#define MAX_SAMPLES_PER_SECOND 32768

/* Chooses the sampling weight of the next step by the number of sockets in this step. */
static __always_inline void choose_sample_weight(struct jsg_clock *clock)
{
	__u64 affordable = MAX_SAMPLES_PER_SECOND * step_seconds();
	__u32 shift = 0;

	if (clock->remembered > affordable)
		shift = jsg_highest_bit((clock->remembered - 1) / affordable) + 1;
	jsg_sample_weight = 1U << (shift & 15);
	clock->remembered = 0;
}

/* The tick's walk over a slice of the slots. */
struct jsg_walk {
	__u32 first;
	__u32 now_ms;
	__u32 sample_mask; /* a group is sampled if its number has these bits clear */
	__u32 weight; /* number of sockets that each sampled socket represents */
	__u32 remembered; /* sockets with a slot that the walk has found so far */
};

/*
 * The next functions mend slots whose socket ended, or was replaced, without a program being run. A
 * young socket may still be on its way into its state, so its slot is not changed. A socket that is
 * being closed has no port any more.
 */
#define SETTLED_MS 2000

static __always_inline int is_settled(const struct jsg_slot *slot, __u32 now_ms)
{
	return now_ms - slot->born_ms > SETTLED_MS;
}

/* Whether a port belongs to another service than this one, which may be leaving. */
static __always_inline int is_of_another(__u32 port, __u32 service_id)
{
	const struct jsg_service *service;

	if (!port || mapping_of(port) == service_id)
		return 0;
	service = bpf_map_lookup_elem(&services, &service_id);
	return !service || service->port != port;
}

/* Whether the socket's memory is free or belongs to another socket. */
static __always_inline int is_gone(const struct jsg_tcp *tcp, const struct jsg_slot *slot)
{
	if (tcp->state == JSG_TCP_NONE || tcp->state >= JSG_STATES)
		return 1;
	if (tcp->state == JSG_TCP_CLOSE)
		return slot->state == JSG_TCP_CLOSE && is_freed(slot->sk);
	return (tcp->state == JSG_TCP_LISTEN) != (slot->state == JSG_TCP_LISTEN) ||
	       is_of_another(tcp->port, slot->service_id);
}

/* The value of sk while the tick empties a slot, so that no program finds or takes the slot. */
#define SLOT_BEING_EMPTIED 1

/* Empties a slot, unless it has changed since it was read. Returns whether it did. */
static __always_inline int empty_unchanged(struct jsg_slot *shared, struct jsg_slot *slot)
{
	if (RELAXED_READ(*slot_word(shared)) != *slot_word(slot) ||
	    __sync_val_compare_and_swap(&shared->sk, slot->sk, SLOT_BEING_EMPTIED) != slot->sk)
		return 0;
	slot_empty(shared);
	return 1;
}

/*
 * Makes the slot agree with its socket. Returns whether they differed. The programs write the slot
 * before the kernel changes the socket. So a transition that a program has seen is in the slot
 * already.
 */
static __always_inline int reconcile(struct jsg_slot *shared, struct jsg_slot *slot,
				     const struct jsg_tcp *tcp, __u32 now_ms)
{
	__u64 word = *slot_word(slot);
	int closed = tcp->state == JSG_TCP_CLOSE && slot->state != JSG_TCP_CLOSE;
	/* SYN_RECV leads only to ESTABLISHED. Another state belongs to another port's socket. */
	int half_open = slot->state == JSG_TCP_SYN_RECV;
	int gone = is_gone(tcp, slot) || (closed && half_open);

	if (!is_settled(slot, now_ms) || (!gone && !closed))
		return 0;
	if (!gone) {
		if (__sync_val_compare_and_swap(slot_word(shared), word, closed_word(word)) ==
		    word) {
			count_missed(slot->service_id, slot->state, JSG_TCP_CLOSE,
				     fins_of(slot->sk));
			note_deviating_end(slot->sk, slot->service_id, slot->state, JSG_TCP_CLOSE);
		}
		return 1;
	}
	if (!empty_unchanged(shared, slot))
		return 1;
	if (slot->state != JSG_TCP_CLOSE && !half_open) {
		count_missed(slot->service_id, slot->state, JSG_TCP_CLOSE, 0);
		lose_deviating_end(slot->service_id, slot->state);
	}
	return 1;
}

static __always_inline void read_socket(struct jsg_tcp *out, __u64 address)
{
	if (jsg_config.has_rdonly_cast)
		read_by_cast(out, address);
	else
		read_by_probe(out, address);
}

static __always_inline void count_listener(struct jsg_step_samples *samples, __u64 address)
{
	samples->listeners++;
	samples->full_queues += accept_queue_is_full(address);
}

/*
 * Samples a listener without a service: gives it to the service that its port has got since. A
 * listener on a port that is leaving maps the port again.
 */
static __noinline int sample_listener(struct jsg_slot *shared, struct jsg_slot *slot, __u32 now_ms)
{
	__u64 word = *slot_word(slot);
	struct jsg_step_samples *samples;
	struct jsg_tcp tcp;
	__u32 service_id;

	read_socket(&tcp, slot->sk);
	barrier();
	if (RELAXED_READ(shared->sk) != slot->sk)
		return 0;
	if (tcp.state != JSG_TCP_LISTEN) {
		if (is_settled(slot, now_ms))
			empty_unchanged(shared, slot);
		return 0;
	}
	if (!tcp.port)
		return 0;
	if (RELAXED_READ(jsg_entries_leaving) && mapping_of(tcp.port) == JSG_PORT_FREE)
		claim_again(tcp.port);
	service_id = mapping_of(tcp.port);
	if (!is_service_id(service_id) ||
	    __sync_val_compare_and_swap(slot_word(shared), word,
					word | (__u64)service_id << SERVICE_SHIFT) != word)
		return 0;
	samples = step_samples_of(service_id);
	count_listener(samples, slot->sk);
	if (samples->silent_ms < now_ms - slot->born_ms)
		samples->silent_ms = now_ms - slot->born_ms;
	return 0;
}

/*
 * Counts the socket in one slot. If the socket is sampled, or is a listener, reads it and adds what
 * the sample finds to its service. Weight 0: the socket is not sampled in this step.
 */
__noinline int sample_slot(__u32 number, __u32 now_ms, __u32 weight)
{
	struct jsg_slot *shared = &jsg_slots[number & SLOT_MASK], slot = {};
	struct jsg_step_samples *samples;
	struct jsg_last_sample *last;
	struct jsg_sample sample;
	struct jsg_tcp tcp;

	slot.sk = RELAXED_READ(shared->sk);
	*slot_word(&slot) = RELAXED_READ(*slot_word(shared));
	if (!slot.sk || !slot.state)
		return 0;
	if (!slot.service_id)
		return sample_listener(shared, &slot, now_ms);
	samples = step_samples_of(slot.service_id);
	if (slot.state == JSG_TCP_CLOSE)
		samples->closed++;
	else if (slot.state != JSG_TCP_LISTEN)
		samples->sockets++;
	if (!weight && slot.state != JSG_TCP_LISTEN)
		return 0;
	read_socket(&tcp, slot.sk);
	barrier();
	if (RELAXED_READ(shared->sk) != slot.sk)
		return 0;
	if (reconcile(shared, &slot, &tcp, now_ms) || slot.state == JSG_TCP_CLOSE)
		return 0;
	if (slot.state == JSG_TCP_LISTEN) {
		count_listener(samples, slot.sk);
		return 0;
	}

	last = bpf_map_lookup_elem(&last_samples, &number);
	if (!last)
		return 0;
	if (last->sk != slot.sk || last->born_ms != slot.born_ms)
		jsg_begin_sampling(last, &tcp, slot.sk, slot.born_ms, slot.was_there);
	sample = jsg_sample_socket(last, &tcp, now_ms, jsg_config.min_rate);

	samples->sampled++;
	samples->answers += sample.answered * weight;
	if (sample.phase == JSG_IDLE)
		samples->idle += weight;
	if (sample.phase == JSG_WAITING)
		samples->waiting += weight;
	if (sample.phase == JSG_REQUEST_MOVING || sample.phase == JSG_REQUEST_SLOW)
		samples->open_requests += weight;
	if (sample.cell >= JSG_PHASE_CELLS)
		return 0;
	samples->occupancy[sample.cell] += weight;
	if (samples->deviating_cells >> sample.cell & 1)
		count_sampled_source(slot.sk, slot.service_id, weight, now_ms);
	return 0;
}

/*
 * Reads ahead the memory that the samples of a group need. Reads that begin together take about the
 * time of a single read. Before 6.2 there is no way to read ahead.
 */
static __always_inline void fetch_socket(__u32 number, __u64 address)
{
	const struct tcp_sock *tp =
		bpf_rdonly_cast((void *)address, bpf_core_type_id_kernel(struct tcp_sock));
	const struct jsg_last_sample *last = bpf_map_lookup_elem(&last_samples, &number);

	RELAXED_READ(tp->inet_conn.icsk_inet.sk.__sk_common.skc_state);
	RELAXED_READ(tp->inet_conn.icsk_ack.lrcvtime);
	RELAXED_READ(tp->bytes_sent);
	RELAXED_READ(tp->bytes_received);
	RELAXED_READ(tp->snd_una);
	if (last)
		RELAXED_READ(last->sk);
}

static __always_inline void fetch_group(__u32 first)
{
	if (!jsg_config.has_rdonly_cast)
		return;
	for (__u32 i = 0; i < GROUP; i++) {
		__u32 number = (first + i) & SLOT_MASK;
		__u64 sk = RELAXED_READ(jsg_slots[number].sk);

		if (sk)
			fetch_socket(number, sk);
	}
}

/* Samples the slots of one group. A bpf_loop callback. */
static long sample_group(__u32 index, void *context)
{
	struct jsg_walk *walk = context;
	__u32 first = walk->first + index * GROUP;
	__u32 weight = first / GROUP & walk->sample_mask ? 0 : walk->weight;

	if (weight)
		fetch_group(first);
	for (__u32 i = 0; i < GROUP; i++) {
		__u32 number = (first + i) & SLOT_MASK;

		if (!RELAXED_READ(jsg_slots[number].sk))
			continue;
		walk->remembered++;
		sample_slot(number, walk->now_ms, weight);
	}
	return 0;
}

#endif
