/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sources.bpf.h: counts the sockets in deviating cells by remote address, in bounded memory. */
#ifndef JSG_SOURCES_BPF_H
#define JSG_SOURCES_BPF_H

#include "maps.bpf.h"

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
	__u32 service_id;
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
	__u32 unseen_ms = entry->service_id ? search->now_ms - entry->seen_ms : ~0U;

	if (entry->service_id == search->service_id &&
	    same_source(&entry->source, &search->source)) {
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
					      const struct jsg_source *source, __u32 service_id)
{
	struct jsg_step_samples *loser = step_samples_of(entry->service_id);

	if (entry->service_id && entry->pass == loser->pass) {
		loser->sources.inexact = 1;
		COUNT(sources_lost, 1);
	}
	entry->source = *source;
	entry->service_id = service_id;
	entry->pass = step_samples_of(service_id)->pass - 1;
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

/* Counts a socket of a deviating cell for its source. */
__noinline int count_source(__u64 address, __u32 service_id, __u32 weight, __u32 now_ms)
{
	struct jsg_step_samples *samples = step_samples_of(service_id);
	struct jsg_source_search search = {.service_id = service_id, .now_ms = now_ms};
	struct jsg_source_entry *entry;
	__u64 mixed;

	read_source(&search.source, address);
	mixed = (source_key(&search.source) ^ (__u64)service_id << 32 ^ search.source.prefix_bits) *
		0x9e3779b97f4a7c15ULL;
	search.first = (mixed >> (64 - SOURCE_SET_BITS)) * SOURCE_WAYS;
	bpf_loop(SOURCE_WAYS, search_way, &search, 0);
	entry = &jsg_source_entries[search.chosen & (SOURCE_ENTRIES - 1)];
	if (entry->service_id != service_id || !same_source(&entry->source, &search.source))
		give_source_entry(entry, &search.source, service_id);
	if (entry->pass != samples->pass) {
		entry->pass = samples->pass;
		entry->source.sockets = 0;
		samples->sources.distinct++;
	}
	entry->source.sockets += weight;
	entry->seen_ms = now_ms;
	samples->sources.sockets += weight;
	if (entry->source.sockets >= samples->sources.top[JSG_TOP_SOURCES - 1].sockets)
		rank_source(&samples->sources, entry->source);
	return 0;
}

#endif
