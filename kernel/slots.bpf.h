/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* slots.bpf.h: remembers sockets in slots. */
#ifndef JSG_SLOTS_BPF_H
#define JSG_SLOTS_BPF_H

#include "maps.bpf.h"

/* Knuth's multiplicative hash. Sockets are 64-byte aligned, so the lowest bits are 0. */
static __always_inline __u64 slot_hash(__u64 sk)
{
	return (sk >> 6) * 0x9e3779b97f4a7c15ULL;
}

/* Number of a slot in the first or the second bucket, each from SLOT_BITS bits of the hash. */
static __always_inline __u32 slot_home(__u64 hash, __u32 second)
{
	return hash >> (64 - SLOT_BITS * (1 + second));
}

/* The nth slot of home's bucket, counted from home. So the verifier sees one kind of index only. */
static __always_inline struct jsg_slot *slot_beside(__u32 home, __u32 n)
{
	__u32 number = home ^ n % BUCKET_SLOTS;

	barrier_var(number); /* the verifier of 6.1 learns its range from the mask only */
	return &jsg_slots[number & SLOT_MASK];
}

/* The slot of a socket, or 0. */
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

/* The fields after sk, which are read and written as one word. */
static __always_inline __u64 *slot_word(struct jsg_slot *slot)
{
	return (__u64 *)&slot->born_ms;
}

#define SERVICE_SHIFT 32
#define STATE_SHIFT 40
#define WAS_THERE_SHIFT 48
JSG_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the shifts are those of this byte order");

/* The state in a slot's word. */
static __always_inline __u32 state_in(__u64 word)
{
	return word >> STATE_SHIFT & 0xff;
}

/* The same word with the state CLOSE. */
static __always_inline __u64 closed_word(__u64 word)
{
	return (word & ~(0xffULL << STATE_SHIFT)) | (__u64)JSG_TCP_CLOSE << STATE_SHIFT;
}

static __always_inline void slot_describe(struct jsg_slot *slot, __u32 service_id, __u32 state,
					  __u32 was_there)
{
	__u64 word = (__u64)jsg_now_ms | (__u64)service_id << SERVICE_SHIFT |
		     (__u64)state << STATE_SHIFT | (__u64)was_there << WAS_THERE_SHIFT;

	RELAXED_WRITE(*slot_word(slot), word);
}

/* About how many slots of a bucket are taken: a kernel address has the highest bit set. */
static __always_inline __u32 slots_taken(__u32 home)
{
	__u32 taken = 0;

	for (__u32 n = 0; n < BUCKET_SLOTS; n++)
		taken += slot_beside(home, n)->sk >> 63;
	return taken;
}

/*
 * Remembers a socket that has no slot yet. Returns 0 if both buckets are full. Trying the emptier
 * bucket first fills both evenly (Azar and others, Balanced Allocations, 1994).
 */
static __always_inline int slot_take(__u64 sk, __u32 service_id, __u32 state, __u32 was_there)
{
	__u64 hash = slot_hash(sk);
	__u32 more = slots_taken(slot_home(hash, 1)) - slots_taken(slot_home(hash, 0));
	__u32 second = more >> 31; /* its sign, without a branch for the verifier to follow */

	for (__u32 n = 0; n < 2 * BUCKET_SLOTS; n++) {
		struct jsg_slot *slot = slot_beside(slot_home(hash, second ^ n / BUCKET_SLOTS), n);

		if (slot->sk || __sync_val_compare_and_swap(&slot->sk, 0, sk))
			continue;
		slot_describe(slot, service_id, state, was_there);
		return 1;
	}
	return 0;
}

/*
 * Empties a slot and returns its word. The atomic exchange comes first, so that no CPU sees the
 * slot free before its word is 0.
 */
static __always_inline __u64 slot_empty(struct jsg_slot *slot)
{
	__u64 word = __sync_lock_test_and_set(slot_word(slot), 0);

	RELAXED_WRITE(slot->sk, 0);
	return word;
}

#endif
