/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sources.bpf.h: counts deviating sockets by remote address, in bounded memory. */
#ifndef JSG_SOURCES_BPF_H
#define JSG_SOURCES_BPF_H

#include "maps.bpf.h"

/*
 * An alert on occupancy names the sources of the sockets in deviating cells. The tick counts them
 * when it samples these sockets. An alert on transitions names the sources of the connections that
 * ended in a deviating way. The programs only note these ends, and the tick counts them, so that
 * one CPU at a time counts.
 */

/* The bytes of a source's address as one number. */
static __always_inline __u64 source_key(const struct jsg_source *source)
{
	return *(const __u64 *)source->address;
}

/* The socket's remote address. An IPv4 address mapped into IPv6 counts as IPv4 (RFC 4291). */
static __always_inline void read_source(struct jsg_source *out, __u64 address)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)address;
	const struct sock_common *common = &tp->inet_conn.icsk_inet.sk.__sk_common;
	__u32 words[4] = {0, 0, bpf_htonl(0xffff), 0};
	__u32 family;

	if (jsg_config.has_rdonly_cast) {
		tp = bpf_rdonly_cast((void *)address, bpf_core_type_id_kernel(struct tcp_sock));
		common = &tp->inet_conn.icsk_inet.sk.__sk_common;
		words[3] = common->skc_daddr;
		family = common->skc_family;
	} else {
		words[3] = BPF_CORE_READ(common, skc_daddr);
		family = BPF_CORE_READ(common, skc_family);
	}
	if (family == SOCKET_FAMILY_IPV6 && bpf_core_field_exists(common->skc_v6_daddr))
		bpf_core_read(words, sizeof(words), &common->skc_v6_daddr);
	if (!words[0] && !words[1] && words[2] == bpf_htonl(0xffff)) {
		*(__u64 *)out->address = words[3];
		out->prefix_bits = 32;
	} else {
		*(__u64 *)out->address = words[0] | (__u64)words[1] << 32;
		out->prefix_bits = 64;
	}
}

static __always_inline int same_source(const struct jsg_source *a, const struct jsg_source *b)
{
	return source_key(a) == source_key(b) && a->prefix_bits == b->prefix_bits;
}

/* The search for a source's entry in its set. */
struct jsg_source_search {
	struct jsg_source source;
	__u32 list;
	__u32 now_ms;
	__u32 first; /* entry of the set */
	__u32 chosen;
	__u32 longest_unseen_ms;
};

/* Chooses the source's own entry, or the one that was seen least recently. A bpf_loop callback. */
static long search_way(__u32 way, void *context)
{
	struct jsg_source_search *search = context;
	__u32 index = (search->first + way) & (SOURCE_ENTRIES - 1);
	const struct jsg_source_entry *entry = &jsg_source_entries[index];
	__u32 unseen_ms = entry->list ? search->now_ms - entry->seen_ms : ~0U;

	if (entry->list == search->list && same_source(&entry->source, &search->source)) {
		search->chosen = index;
		return 1;
	}
	if (unseen_ms >= search->longest_unseen_ms) {
		search->chosen = index;
		search->longest_unseen_ms = unseen_ms;
	}
	return 0;
}

/*
 * Gives an entry to another source. If the source that loses the entry was counted in the present
 * pass, the result lacks its sockets and is marked as inexact.
 */
static __always_inline void give_source_entry(struct jsg_source_entry *entry,
					      const struct jsg_source *source, __u32 list)
{
	struct jsg_counted_sources *loser = counted_sources_of(entry->list);

	if (entry->list && entry->pass == loser->pass) {
		loser->sources.inexact = 1;
		COUNT(sources_lost, 1);
	}
	entry->source = *source;
	entry->list = list;
	entry->pass = counted_sources_of(list)->pass - 1;
}

/*
 * Keeps the sources with the most sockets, sorted. Counts only grow in a pass. So a source enters
 * the list with the socket that makes it large enough.
 */
static __always_inline void rank_source(struct jsg_sources *sources, struct jsg_source source)
{
	struct jsg_source own = source;

	for (int i = 0; i < JSG_TOP_SOURCES; i++) {
		struct jsg_source *top = &sources->top[i];
		struct jsg_source smaller = *top;
		int is_own = same_source(&smaller, &own);

		if (source.sockets <= smaller.sockets && !is_own)
			continue;
		if (smaller.sockets > source.sockets)
			return; /* the source's own larger count, from before it lost its entry */
		*top = source;
		if (is_own)
			return;
		source = smaller;
	}
}

/* Counts sockets for their source, whose address is given as the key. */
__noinline int count_source(__u64 key, __u32 prefix_bits, __u32 list, __u32 weight, __u32 now_ms)
{
	struct jsg_counted_sources *counted = counted_sources_of(list);
	struct jsg_source_search search = {.list = list, .now_ms = now_ms};
	struct jsg_sources *sources = &counted->sources;
	struct jsg_source_entry *entry;
	__u64 mixed;

	*(__u64 *)search.source.address = key;
	search.source.prefix_bits = prefix_bits;
	mixed = (key ^ (__u64)list << 32 ^ prefix_bits) * 0x9e3779b97f4a7c15ULL;
	search.first = (mixed >> (64 - SOURCE_SET_BITS)) * SOURCE_WAYS;
	bpf_loop(SOURCE_WAYS, search_way, &search, 0);
	entry = &jsg_source_entries[search.chosen & (SOURCE_ENTRIES - 1)];
	if (entry->list != list || !same_source(&entry->source, &search.source))
		give_source_entry(entry, &search.source, list);
	if (entry->pass != counted->pass) {
		entry->pass = counted->pass;
		entry->source.sockets = 0;
		sources->distinct++;
	}
	entry->source.sockets += weight;
	entry->seen_ms = now_ms;
	sources->sockets += weight;
	if (entry->source.sockets >= sources->top[JSG_TOP_SOURCES - 1].sockets)
		rank_source(sources, entry->source);
	return 0;
}

/* Counts a socket of a deviating cell for its source. */
static __always_inline void count_sampled_source(__u64 address, __u32 service_id, __u32 weight,
						 __u32 now_ms)
{
	struct jsg_source source = {};

	read_source(&source, address);
	count_source(source_key(&source), source.prefix_bits,
		     source_list(service_id, JSG_OCCUPANCY), weight, now_ms);
}

/* For an end that is not counted. */
static __always_inline void lose_end(__u32 service_id)
{
	counted_sources_of(source_list(service_id, JSG_TRANSITIONS))->sources.inexact = 1;
	COUNT(sources_lost, 1);
}

/*
 * Notes the source of a connection that ended in a deviating way. A reserve of entries is not used,
 * one for each CPU that may run this at the same time, so that no entry is overwritten.
 */
__noinline int note_end(__u64 address, __u32 service_id)
{
	struct jsg_source source = {};
	struct jsg_noted_end *end;
	/* Read first: it never passes the other number. */
	__u32 counted = RELAXED_READ(jsg_ends_counted);

	barrier();
	if (RELAXED_READ(jsg_ends_noted) - counted >= NOTED_ENDS - NOTED_ENDS_RESERVE) {
		lose_end(service_id);
		return 0;
	}
	read_source(&source, address);
	end = &jsg_noted_ends[__sync_fetch_and_add(&jsg_ends_noted, 1) & (NOTED_ENDS - 1)];
	end->source_key = source_key(&source);
	end->prefix_bits = source.prefix_bits;
	/* The exchange is a full barrier: the tick sees the rest of the entry as soon as this. */
	__sync_lock_test_and_set(&end->service_id, service_id);
	return 0;
}

/* Whether a connection that ends in this state does so in a deviating way. */
static __always_inline int is_deviating_end(__u32 service_id, __u32 old_state)
{
	return RELAXED_READ(step_samples_of(service_id)->deviating_ends) >> (old_state & 31) & 1;
}

/* The same for a transition, if it is such an end. */
static __always_inline void note_deviating_end(__u64 address, __u32 service_id, __u32 old_state,
					       __u32 new_state)
{
	if (new_state == JSG_TCP_CLOSE && is_deviating_end(service_id, old_state))
		note_end(address, service_id);
}

/* For a connection that is gone, so that its source is not known. */
static __always_inline void lose_deviating_end(__u32 service_id, __u32 old_state)
{
	if (is_deviating_end(service_id, old_state))
		lose_end(service_id);
}

/*
 * Counts one noted end. Stops at an entry that a program is writing. Both atomic operations are
 * full barriers: the entry is read after its service ID, and before the entry is free. A bpf_loop
 * callback.
 */
static long count_noted_end(__u32 index, void *context)
{
	__u32 number = RELAXED_READ(jsg_ends_counted);
	struct jsg_noted_end *end = &jsg_noted_ends[number & (NOTED_ENDS - 1)];
	__u32 service_id;

	(void)index;
	if (number == RELAXED_READ(jsg_ends_noted))
		return 1;
	service_id = __sync_lock_test_and_set(&end->service_id, 0);
	if (!service_id)
		return 1;
	count_source(end->source_key, end->prefix_bits, source_list(service_id, JSG_TRANSITIONS), 1,
		     *(__u32 *)context);
	__sync_fetch_and_add(&jsg_ends_counted, 1);
	return 0;
}

/* At most so many in one tick, which takes less than 50 us. */
#define ENDS_PER_TICK 256

static __always_inline void count_noted_ends(__u32 now_ms)
{
	if (RELAXED_READ(jsg_ends_noted) != jsg_ends_counted)
		bpf_loop(ENDS_PER_TICK, count_noted_end, &now_ms, 0);
}

#endif
