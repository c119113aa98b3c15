/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* looks.bpf.h: the tick's looks at the sockets in a slice of the slots. */
#ifndef JSG_LOOKS_BPF_H
#define JSG_LOOKS_BPF_H

#include "missed.bpf.h"
#include "sources.bpf.h"

/* The tick's walk over a slice of the slots. */
struct jsg_walk {
	__u32 first;
	__u32 now_ms;
	__u32 sample_mask; /* sockets are looked at if their group's number has these bits clear */
	__u32 weight; /* so many sockets does one that is looked at stand for */
	__u32 remembered; /* sockets found in the slice */
};

/*
 * What became of a socket without the programs' being shown it. A young one may be on its way into
 * its state, so it is left; one that is being closed has no port any more.
 */
#define SETTLED_MS 2000

static __always_inline int is_settled(const struct jsg_slot *slot, __u32 now_ms)
{
	return now_ms - slot->born_ms > SETTLED_MS;
}

/* Whether its memory is another socket's by now, or none's. */
static __always_inline int is_gone(const struct jsg_tcp *tcp, const struct jsg_slot *slot)
{
	if (tcp->state == JSG_TCP_NONE || tcp->state >= JSG_STATES)
		return 1;
	if (tcp->state == JSG_TCP_CLOSE)
		return 0;
	return (tcp->state == JSG_TCP_LISTEN) != (slot->state == JSG_TCP_LISTEN) ||
	       (tcp->port && jsg_service_of_port[tcp->port & (JSG_PORTS - 1)] != slot->service);
}

/* Stands for the address while a slot is emptied from outside: nobody finds it, nobody takes it. */
#define SLOT_LEFT 1

/*
 * Takes it into account. Whether there was anything. The programs write the slot before the kernel
 * changes the socket, so what they were shown has changed the slot.
 */
static __always_inline int reconcile(struct jsg_slot *shared, struct jsg_slot *slot,
				     const struct jsg_tcp *tcp, __u32 now_ms)
{
	__u64 word = *slot_word(slot);
	int closed = tcp->state == JSG_TCP_CLOSE && slot->state != JSG_TCP_CLOSE;
	/* What led to SYN_RECV leads on to ESTABLISHED: the rest is another port's. */
	int half = slot->state == JSG_TCP_SYN_RECV;
	int gone = is_gone(tcp, slot) || (closed && half);

	if (!is_settled(slot, now_ms) || (!gone && !closed))
		return 0;
	if (!gone) {
		if (__sync_val_compare_and_swap(slot_word(shared), word, closed_word(word)) == word)
			count_missed(slot->service, slot->state, JSG_TCP_CLOSE, fins_of(slot->sk));
		return 1;
	}
	if (RELAXED_READ(*slot_word(shared)) != word ||
	    __sync_val_compare_and_swap(&shared->sk, slot->sk, SLOT_LEFT) != slot->sk)
		return 1;
	slot_leave(shared);
	if (slot->state != JSG_TCP_CLOSE && !half)
		count_missed(slot->service, slot->state, JSG_TCP_CLOSE, 0);
	return 1;
}

static __always_inline void read_socket(struct jsg_tcp *out, __u64 address)
{
	if (jsg_config.has_rdonly_cast)
		read_by_cast(out, address);
	else
		read_by_probe(out, address);
}

/*
 * Counts the socket in one slot. If it is in the sample, or a listener, looks at it, and adds what
 * is found to its service. Weight: so many sockets does it stand for, 0 for one outside the sample.
 */
__noinline int look_at_slot(__u32 number, __u32 now_ms, __u32 weight)
{
	struct jsg_slot *shared = &jsg_slots[number & SLOT_MASK], slot = {};
	struct jsg_found *found;
	struct jsg_look *look;
	struct jsg_sight sight;
	struct jsg_tcp tcp;

	slot.sk = RELAXED_READ(shared->sk);
	*slot_word(&slot) = RELAXED_READ(*slot_word(shared));
	if (!slot.sk || !slot.service)
		return 0;
	found = found_of(slot.service);
	if (slot.state == JSG_TCP_CLOSE)
		found->closed++;
	else if (slot.state != JSG_TCP_LISTEN)
		found->sockets++;
	if (!weight && slot.state != JSG_TCP_LISTEN)
		return 0;
	read_socket(&tcp, slot.sk);
	barrier();
	if (RELAXED_READ(shared->sk) != slot.sk)
		return 0;
	if (reconcile(shared, &slot, &tcp, now_ms) || slot.state == JSG_TCP_CLOSE)
		return 0;
	if (slot.state == JSG_TCP_LISTEN) {
		found->listeners++;
		found->full_queues += accept_queue_is_full(slot.sk);
		return 0;
	}

	look = bpf_map_lookup_elem(&looks, &number);
	if (!look)
		return 0;
	if (look->sk != slot.sk || look->born_ms != slot.born_ms)
		jsg_look_begin(look, &tcp, slot.sk, slot.born_ms, slot.was_there);
	sight = jsg_look_at(look, &tcp, now_ms, jsg_config.min_rate);

	found->looked_at++;
	found->answers += sight.answered * weight;
	if (sight.phase == JSG_IDLE)
		found->idle += weight;
	if (sight.phase == JSG_WAITING)
		found->waiting += weight;
	if (sight.phase == JSG_REQUEST_MOVING || sight.phase == JSG_REQUEST_STALLED)
		found->open_requests += weight;
	if (sight.cell >= JSG_PHASE_CELLS)
		return 0;
	found->occupancy[sight.cell] += weight;
	if (found->deviating_cells >> sight.cell & 1)
		count_source(slot.sk, slot.service, weight, now_ms);
	return 0;
}

#define GROUP 16
JSG_ASSERT(SLOTS % GROUP == 0, "a group is not cut by the end");

/*
 * Asks for the memory that the looks at a group of slots will read: what is asked for together
 * comes together, in about the time that one would take. Before 6.2 it comes when it is read.
 */
static __always_inline void fetch_socket(__u32 number, __u64 address)
{
	const struct tcp_sock *tp =
		bpf_rdonly_cast((void *)address, bpf_core_type_id_kernel(struct tcp_sock));
	const struct jsg_look *look = bpf_map_lookup_elem(&looks, &number);

	RELAXED_READ(tp->inet_conn.icsk_inet.sk.__sk_common.skc_state);
	RELAXED_READ(tp->inet_conn.icsk_ack.lrcvtime);
	RELAXED_READ(tp->bytes_sent);
	RELAXED_READ(tp->bytes_received);
	RELAXED_READ(tp->snd_una);
	if (look)
		RELAXED_READ(look->sk);
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

/* The slots of a group. A bpf_loop callback. */
static long look_at_group(__u32 index, void *context)
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
		look_at_slot(number, walk->now_ms, weight);
	}
	return 0;
}

#endif
