/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* slots.bpf.h: remembers sockets in slots, and gives ports a service. */
#ifndef JSG_SLOTS_BPF_H
#define JSG_SLOTS_BPF_H

#include "state.bpf.h"

/*
 * Sockets are at least 64-byte aligned, so the lowest bits say nothing; Knuth's multiplicative
 * hash.
 */
static __always_inline __u64 slot_hash(__u64 sk)
{
	return (sk >> 6) * 0x9e3779b97f4a7c15ULL;
}

/* A slot in one of the two buckets, each of which SLOT_BITS of the hash give. */
static __always_inline __u32 slot_home(__u64 hash, __u32 second)
{
	return hash >> (64 - SLOT_BITS * (1 + second));
}

/* The nth one of its bucket, counted from there; so all are alike to the verifier. */
static __always_inline struct jsg_slot *slot_beside(__u32 home, __u32 n)
{
	__u32 number = home ^ n % BUCKET_SLOTS;

	barrier_var(number); /* the verifier of 6.1 knows its range by the mask alone */
	return &jsg_slots[number & SLOT_MASK];
}

static __always_inline struct jsg_slot *slot_of(__u64 sk)
{
	__u64 hash = slot_hash(sk);

	for (__u32 n = 0; n < 2 * BUCKET_SLOTS; n++) {
		struct jsg_slot *slot = slot_beside(slot_home(hash, n / BUCKET_SLOTS), n);

		if (slot->sk == sk)
			return slot;
	}
	return 0;
}

static __always_inline __u64 *slot_word(struct jsg_slot *slot)
{
	return (__u64 *)&slot->born_ms;
}

/* What follows sk in a slot is stored as one word. The state in it, and it with that of the end. */
#define STATE_SHIFT 40

static __always_inline __u32 state_in(__u64 word)
{
	return word >> STATE_SHIFT & 0xff;
}

static __always_inline __u64 closed_word(__u64 word)
{
	return (word & ~(0xffULL << STATE_SHIFT)) | (__u64)JSG_TCP_CLOSE << STATE_SHIFT;
}

static __always_inline void slot_describe(struct jsg_slot *slot, __u32 service, __u32 state,
					  __u32 was_there)
{
	__u64 word = (__u64)jsg_now_ms | (__u64)service << 32 | (__u64)state << STATE_SHIFT |
		     (__u64)was_there << 48;

	RELAXED_WRITE(*slot_word(slot), word);
}
JSG_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the word is put together for this order");

/* About how many of a bucket are taken: a kernel's address has the highest bit set. */
static __always_inline __u32 slots_taken(__u32 home)
{
	__u32 taken = 0;

	for (__u32 n = 0; n < BUCKET_SLOTS; n++)
		taken += slot_beside(home, n)->sk >> 63;
	return taken;
}

/*
 * Remembers a socket that has no slot yet; 0 if both buckets are full. The emptier one is tried
 * first: that fills them evenly (Azar and others, Balanced Allocations, 1994).
 */
static __always_inline int slot_take(__u64 sk, __u32 service, __u32 state, __u32 was_there)
{
	__u64 hash = slot_hash(sk);
	__u32 more = slots_taken(slot_home(hash, 1)) - slots_taken(slot_home(hash, 0));
	__u32 second = more >> 31; /* its sign, without a branch for the verifier to follow */

	for (__u32 n = 0; n < 2 * BUCKET_SLOTS; n++) {
		struct jsg_slot *slot = slot_beside(slot_home(hash, second ^ n / BUCKET_SLOTS), n);

		if (slot->sk || __sync_val_compare_and_swap(&slot->sk, 0, sk))
			continue;
		slot_describe(slot, service, state, was_there);
		return 1;
	}
	return 0;
}

/* Forgets the socket of a slot; what followed sk. The exchange keeps the store of sk after it. */
static __always_inline __u64 slot_leave(struct jsg_slot *slot)
{
	__u64 word = __sync_lock_test_and_set(slot_word(slot), 0);

	RELAXED_WRITE(slot->sk, 0);
	return word;
}

/* A bit of an array of one for each port. */
static __always_inline __u64 port_bit(__u32 port)
{
	return 1ULL << (port & 63);
}

static __always_inline __u32 port_word(__u32 port)
{
	return (port & (JSG_PORTS - 1)) >> 6;
}

/* Sockets of the port have no slot, whatever becomes of it. */
static __always_inline void note_strangers(__u32 port)
{
	__sync_fetch_and_or(&jsg_port_strangers[port_word(port)], port_bit(port));
}

/*
 * Gives a port a place among the services, if there is one for it. The bit is taken first, so that
 * of two CPUs (SO_REUSEPORT) only one looks for a place. An excluded port has its bit set from the
 * start. The place's state is clean: the tick leaves it so.
 */
static __noinline int look_for_place(__u32 port)
{
	__u64 bit = port_bit(port);
	__u32 word = port_word(port);

	if (__sync_fetch_and_or(&jsg_port_claimed[word], bit) & bit)
		return 0;
	for (__u32 number = 1; number <= JSG_SERVICES; number++) {
		/* A copy, for the verifier of 6.1 loses track of a counter that is on the stack. */
		__u32 key = number;
		struct jsg_service *service = bpf_map_lookup_elem(&services, &key);

		if (!service || service->port ||
		    __sync_val_compare_and_swap(&service->port, 0, port))
			continue;
		RELAXED_WRITE(jsg_service_of_port[port & (JSG_PORTS - 1)], number);
		return 0;
	}
	__sync_fetch_and_and(&jsg_port_claimed[word], ~bit);
	note_strangers(port);
	if (!(__sync_fetch_and_or(&jsg_port_refused[word], bit) & bit))
		COUNT(services_refused, 1);
	return 0;
}

/* The same; the service's number, or 0. Read, so that the verifier does not follow each. */
static __always_inline __u32 service_claim(__u32 port)
{
	look_for_place(port);
	return RELAXED_READ(jsg_service_of_port[port & (JSG_PORTS - 1)]);
}

#endif
