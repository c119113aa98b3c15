/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sources.bpf.h: who holds the sockets of the cells that deviate: counted by address, bounded. */
#ifndef JSG_SOURCES_BPF_H
#define JSG_SOURCES_BPF_H

#include "state.bpf.h"

/*
 * The table of sources: sets of places, found by hash. In a full set the source that was seen least
 * recently gives way. Written by the tick alone.
 */
#define SOURCE_SET_BITS 11
#define SOURCE_WAYS 8
#define SOURCE_PLACES ((1U << SOURCE_SET_BITS) * SOURCE_WAYS)

struct jsg_source_place jsg_source_places[SOURCE_PLACES];

/* The bytes of a source's address as a number to compare. */
static __always_inline __u64 source_key(const struct jsg_source *source)
{
	return *(const __u64 *)source->address;
}

/* The socket's remote address: an IPv4 one also where it is mapped into IPv6 (RFC 4291). */
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

/* The search for a source's place in its set. */
struct jsg_source_search {
	struct jsg_source source;
	__u32 service;
	__u32 now_ms;
	__u32 first; /* place of the set */
	__u32 chosen;
	__u32 longest_unseen_ms;
};

/* Looks at one place of the set: its own one, or the one not seen for longest. A bpf_loop callback.
 */
static long search_way(__u32 way, void *context)
{
	struct jsg_source_search *search = context;
	__u32 index = (search->first + way) & (SOURCE_PLACES - 1);
	const struct jsg_source_place *place = &jsg_source_places[index];
	__u32 unseen_ms = place->service ? search->now_ms - place->seen_ms : ~0U;

	if (place->service == search->service && same_source(&place->source, &search->source)) {
		search->chosen = index;
		return 1;
	}
	if (unseen_ms >= search->longest_unseen_ms) {
		search->chosen = index;
		search->longest_unseen_ms = unseen_ms;
	}
	return 0;
}

/* Gives a place to another source. One that was counted in the present looks is missing there. */
static __always_inline void give_source_place(struct jsg_source_place *place,
					      const struct jsg_source *source, __u32 service)
{
	struct jsg_found *loser = found_of(place->service);

	if (place->service && place->pass == loser->pass) {
		loser->sources.inexact = 1;
		COUNT(sources_lost, 1);
	}
	place->source = *source;
	place->service = service;
	place->pass = found_of(service)->pass - 1;
}

/* Keeps the largest first; counts only grow in a pass, so a source that belongs there gets in. */
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
			return; /* its own, from before it gave way and came back */
		*top = source;
		if (is_own)
			return;
		source = smaller;
	}
}

/* Counts a socket of a deviating cell for its source. */
__noinline int count_source(__u64 address, __u32 service, __u32 weight, __u32 now_ms)
{
	struct jsg_found *found = found_of(service);
	struct jsg_source_search search = {.service = service, .now_ms = now_ms};
	struct jsg_source_place *place;
	__u64 mixed;

	read_source(&search.source, address);
	mixed = (source_key(&search.source) ^ (__u64)service << 32 ^ search.source.prefix_bits) *
		0x9e3779b97f4a7c15ULL;
	search.first = (mixed >> (64 - SOURCE_SET_BITS)) * SOURCE_WAYS;
	bpf_loop(SOURCE_WAYS, search_way, &search, 0);
	place = &jsg_source_places[search.chosen & (SOURCE_PLACES - 1)];
	if (place->service != service || !same_source(&place->source, &search.source))
		give_source_place(place, &search.source, service);
	if (place->pass != found->pass) {
		place->pass = found->pass;
		place->source.sockets = 0;
		found->sources.distinct++;
	}
	place->source.sockets += weight;
	place->seen_ms = now_ms;
	found->sources.sockets += weight;
	if (place->source.sockets >= found->sources.top[JSG_TOP_SOURCES - 1].sockets)
		rank_source(&found->sources, place->source);
	return 0;
}

#endif
