/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sockets.bpf.h: remembers sockets in slots, gives ports a service, looks at the slots. */
#ifndef JSG_SOCKETS_BPF_H
#define JSG_SOCKETS_BPF_H

#include "sources.bpf.h"

/*
 * Sockets are at least 64-byte aligned, so the lowest bits say nothing; Knuth's multiplicative
 * hash.
 */
static __always_inline __u32 slot_home(__u64 sk)
{
	return ((sk >> 6) * 0x9e3779b97f4a7c15ULL) >> (64 - SLOT_BITS);
}

static __always_inline struct jsg_slot *slot_of(__u64 sk)
{
	__u32 home = slot_home(sk);

	for (int i = 0; i < PROBES; i++) {
		struct jsg_slot *slot = &jsg_slots[(home + i) & SLOT_MASK];

		if (slot->sk == sk)
			return slot;
	}
	return 0;
}

/* Stands for the address while a slot is emptied from outside: nobody finds it, nobody takes it. */
#define SLOT_LEFT 1

/* What follows sk in a slot, as the one word that it is stored by. */
static __always_inline void slot_describe(struct jsg_slot *slot, __u32 service, __u32 state,
					  __u32 was_there)
{
	__u64 word = (__u64)jsg_now_ms | (__u64)service << 32 | (__u64)state << 40 |
		     (__u64)was_there << 48;

	RELAXED_WRITE(*(__u64 *)&slot->born_ms, word);
}
JSG_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the word is put together for this order");

/* Remembers a socket that has no slot yet; 0 if its PROBES places are all taken. */
static __always_inline struct jsg_slot *slot_take(__u64 sk, __u32 service, __u32 state,
						  __u32 was_there)
{
	__u32 home = slot_home(sk);

	for (int i = 0; i < PROBES; i++) {
		struct jsg_slot *slot = &jsg_slots[(home + i) & SLOT_MASK];

		if (slot->sk || __sync_val_compare_and_swap(&slot->sk, 0, sk))
			continue;
		slot_describe(slot, service, state, was_there);
		return slot;
	}
	return 0;
}

/* Forgets the socket of a slot. The exchange keeps the store of the word before it. */
static __always_inline void slot_leave(struct jsg_slot *slot)
{
	RELAXED_WRITE(*(__u64 *)&slot->born_ms, 0);
	__sync_lock_test_and_set(&slot->sk, 0);
}

/*
 * Gives a port a place among the services, and returns its number; 0 if there is none for it. The
 * bit is taken first, so that of two CPUs (SO_REUSEPORT) only one looks for a place. An excluded
 * port has its bit set from the start. The place's state is clean: the tick leaves it so.
 */
static __noinline __u32 service_claim(__u32 port)
{
	__u64 bit = 1ULL << (port & 63);
	__u32 word = (port & (JSG_PORTS - 1)) >> 6;

	if (__sync_fetch_and_or(&jsg_port_claimed[word], bit) & bit)
		return jsg_service_of_port[port & (JSG_PORTS - 1)];
	for (__u32 number = 1; number <= JSG_SERVICES; number++) {
		/* A copy, for the verifier of 6.1 loses track of a counter that is on the stack. */
		__u32 key = number;
		struct jsg_service *service = bpf_map_lookup_elem(&services, &key);

		if (!service || service->port ||
		    __sync_val_compare_and_swap(&service->port, 0, port))
			continue;
		RELAXED_WRITE(jsg_service_of_port[port & (JSG_PORTS - 1)], number);
		return number;
	}
	__sync_fetch_and_and(&jsg_port_claimed[word], ~bit);
	if (!(__sync_fetch_and_or(&jsg_port_refused[word], bit) & bit))
		COUNT(services_refused, 1);
	return 0;
}

/* The tick's walk over a slice of the slots. */
struct jsg_walk {
	__u32 first;
	__u32 now_ms;
	__u32 sample_mask; /* a socket is looked at if its slot's number has these bits clear */
	__u32 weight; /* so many sockets does one that is looked at stand for */
	__u32 remembered; /* sockets found in the slice */
};

/*
 * Whether the socket of a slot is closed, or another by now, though its ->CLOSE was not seen. A
 * young one may be on its way into the state, so it is left; one that is being closed has no port
 * any more.
 */
#define SETTLED_MS 2000

static __always_inline int gone(const struct jsg_tcp *tcp, const struct jsg_slot *slot,
				__u32 now_ms)
{
	return now_ms - slot->born_ms > SETTLED_MS &&
	       (tcp->state == JSG_TCP_NONE || tcp->state == JSG_TCP_CLOSE ||
		tcp->state >= JSG_STATES ||
		(tcp->state == JSG_TCP_LISTEN) != (slot->state == JSG_TCP_LISTEN) ||
		(tcp->port && jsg_service_of_port[tcp->port & (JSG_PORTS - 1)] != slot->service));
}

static __always_inline void read_socket(struct jsg_tcp *out, __u64 address)
{
	if (jsg_config.has_rdonly_cast)
		read_by_cast(out, address);
	else
		read_by_probe(out, address);
}

/*
 * Asks for the memory of a socket that is looked at next: what a group asks for together comes
 * together, in about the time that one would take. Before 6.2 it comes when it is read.
 */
static __always_inline void fetch_socket(__u64 address)
{
	const struct tcp_sock *tp =
		bpf_rdonly_cast((void *)address, bpf_core_type_id_kernel(struct tcp_sock));

	RELAXED_READ(tp->inet_conn.icsk_inet.sk.__sk_common.skc_state);
	RELAXED_READ(tp->inet_conn.icsk_ack.lrcvtime);
	RELAXED_READ(tp->bytes_sent);
	RELAXED_READ(tp->bytes_received);
	RELAXED_READ(tp->snd_una);
}

#define GROUP 8
JSG_ASSERT(SLOTS % GROUP == 0, "a group is not cut by the end");

__noinline int fetch_group(__u32 first, __u32 sample_mask)
{
	if (!jsg_config.has_rdonly_cast)
		return 0;
	for (__u32 i = 0; i < GROUP; i++) {
		__u32 number = (first + i) & SLOT_MASK;
		__u64 sk = RELAXED_READ(jsg_slots[number].sk);

		if (sk && !(number & sample_mask))
			fetch_socket(sk);
	}
	return 0;
}

/* Looks at the socket in one slot, and adds what is found to its service. A bpf_loop callback. */
static long look_at_slot(__u32 index, void *context)
{
	struct jsg_walk *walk = context;
	__u32 number = (walk->first + index) & SLOT_MASK;
	struct jsg_slot *shared = &jsg_slots[number], slot = {};
	struct jsg_found *found;
	struct jsg_look *look;
	struct jsg_sight sight;
	struct jsg_tcp tcp;

	if (!(number % GROUP))
		fetch_group(number, walk->sample_mask);
	slot.sk = RELAXED_READ(shared->sk);
	if (!slot.sk)
		return 0;
	*(__u64 *)&slot.born_ms = RELAXED_READ(*(__u64 *)&shared->born_ms);
	if (!slot.service)
		return 0;
	found = found_of(slot.service);
	walk->remembered++;
	if (slot.state != JSG_TCP_LISTEN) {
		found->sockets++;
		if (number & walk->sample_mask)
			return 0;
	}
	read_socket(&tcp, slot.sk);
	barrier();
	if (RELAXED_READ(shared->sk) != slot.sk)
		return 0;
	if (gone(&tcp, &slot, walk->now_ms)) {
		if (__sync_val_compare_and_swap(&shared->sk, slot.sk, SLOT_LEFT) != slot.sk)
			return 0;
		slot_leave(shared);
		if (slot.state < JSG_STATES)
			found->closed_unseen[slot.state]++;
		COUNT(transitions_late, 1);
		return 0;
	}
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
	sight = jsg_look_at(look, &tcp, walk->now_ms, jsg_config.min_rate);

	found->looked_at++;
	found->answers += sight.answered * walk->weight;
	if (sight.phase == JSG_IDLE)
		found->idle += walk->weight;
	if (sight.phase == JSG_WAITING)
		found->waiting += walk->weight;
	if (sight.phase == JSG_REQUEST_MOVING || sight.phase == JSG_REQUEST_STALLED)
		found->open_requests += walk->weight;
	if (sight.cell >= JSG_PHASE_CELLS)
		return 0;
	found->occupancy[sight.cell] += walk->weight;
	if (found->deviating_cells >> sight.cell & 1)
		count_source(slot.sk, slot.service, walk->weight, walk->now_ms);
	return 0;
}

#endif
