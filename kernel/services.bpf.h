/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* services.bpf.h: claims, finds, releases and empties the service entry of a port. */
#ifndef JSG_SERVICES_BPF_H
#define JSG_SERVICES_BPF_H

#include "window.bpf.h"

/*
 * The life of a service entry.
 *
 * 1. Claim. The first accepted connection of a port takes a free entry. A listener alone takes
 * none, so a server that opens many ports in vain takes none either. It has a slot all the same,
 * without a service, until a sample finds that its port has one.
 *
 * 2. Use. The table maps the port to the entry.
 *
 * 3. Leave. A port that had neither listener nor socket for release_after_s leaves: the tick
 * unmaps it. If entries are scarce, the port that has been unused for longest leaves earlier. What
 * the samples say is up to a step old, so the entry stays untouched for one whole pass. A
 * listener, a socket or an accepted connection that is found in this time maps the port again.
 *
 * 4. Empty. After that pass the tick empties the entry, which is free then.
 *
 * Only one CPU changes the mapping of a port at a time: it first sets the port's byte to
 * JSG_PORT_CHANGING by compare-and-swap. Ports that the operator named keep their entry for ever.
 */

/* The word of a bit array by port, and the port's bit in it. */
static __always_inline __u32 port_word(__u32 port)
{
	return (port & (JSG_PORTS - 1)) >> 6;
}

static __always_inline __u64 port_bit(__u32 port)
{
	return 1ULL << (port & 63);
}

/* Notes that sockets of this port have no slot. They get none even if the port gets a service
 * later. */
static __always_inline void note_untracked_port(__u32 port)
{
	__sync_fetch_and_or(&jsg_port_untracked[port_word(port)], port_bit(port));
}

static __always_inline int is_service_id(__u32 service_id)
{
	return service_id && service_id <= JSG_SERVICES;
}

/* The table's byte of a port: a service ID or an enum jsg_port_mapping. */
static __always_inline __u32 mapping_of(__u32 port)
{
	return RELAXED_READ(jsg_service_of_port[port & (JSG_PORTS - 1)]);
}

/* BPF has no atomic operations on bytes, so these work on the word that holds four ports. */
static __always_inline __u32 *mapping_word(__u32 port)
{
	return (__u32 *)&jsg_service_of_port[port & (JSG_PORTS - 1) & ~3U];
}

static __always_inline __u32 mapping_shift(__u32 port)
{
	return (port & 3) * 8;
}

/* Other CPUs may change the word's other ports at the same time, so it is tried a few times. */
#define MAPPING_TRIES 8

/* Changes a port's byte if it holds `from`. Returns whether it did. */
static __noinline int change_mapping(__u32 port, __u32 from, __u32 to)
{
	__u32 *word = mapping_word(port);
	__u32 shift = mapping_shift(port);

	for (int i = 0; i < MAPPING_TRIES; i++) {
		__u32 old = RELAXED_READ(*word);

		if ((old >> shift & 0xff) != from)
			return 0;
		if (__sync_val_compare_and_swap(word, old, old ^ (from ^ to) << shift) == old)
			return 1;
	}
	return 0;
}

/* Ends a change of the mapping that this CPU began. */
static __always_inline void finish_mapping(__u32 port, __u32 to)
{
	__sync_fetch_and_xor(mapping_word(port), (JSG_PORT_CHANGING ^ to) << mapping_shift(port));
}

/* Claim. */

/*
 * Finds the entry that is leaving for this port, or else takes a free one. Returns its service ID,
 * or 0. A free entry's state is empty. The caller is changing the port's mapping, so the tick
 * cannot empty the entry.
 */
static __always_inline __u32 find_entry(__u32 port, int only_leaving)
{
	for (__u32 service_id = 1; service_id <= JSG_SERVICES; service_id++) {
		/* A copy, because the verifier of 6.1 loses track of a counter on the stack. */
		__u32 key = service_id;
		const struct jsg_service *service = bpf_map_lookup_elem(&services, &key);

		if (service && service->port == port)
			return service_id;
	}
	if (only_leaving)
		return 0;
	for (__u32 service_id = 1; service_id <= JSG_SERVICES; service_id++) {
		__u32 key = service_id;
		struct jsg_service *service = bpf_map_lookup_elem(&services, &key);

		if (service && !service->port &&
		    !__sync_val_compare_and_swap(&service->port, 0, port))
			return service_id;
	}
	return 0;
}

/* How often a CPU reads the mapping while another CPU changes it: for some 10 us at most. */
#define MAPPING_READS 4096

/* A bpf_loop callback. */
static long is_mapping_settled(__u32 index, void *context)
{
	(void)index;
	return mapping_of(*(__u32 *)context) != JSG_PORT_CHANGING;
}

/*
 * Begins to change the mapping of a free port. Returns 0 if the port has a mapping now. A CPU that
 * only maps a leaving port again may leave it free, so this tries again.
 */
static __noinline int begin_mapping(__u32 port)
{
	for (int tries = 0; tries < 4; tries++) {
		if (change_mapping(port, JSG_PORT_FREE, JSG_PORT_CHANGING))
			return 1;
		bpf_loop(MAPPING_READS, is_mapping_settled, &port, 0);
		if (mapping_of(port) != JSG_PORT_FREE)
			return 0;
	}
	return 0;
}

/* Maps a port to an entry. */
static __noinline int claim_entry(__u32 port)
{
	__u64 bit = port_bit(port);
	__u32 service_id;

	if (!begin_mapping(port)) {
		if (!is_service_id(mapping_of(port))) {
			note_untracked_port(port);
			COUNT(sockets_untracked, 1);
		}
		return 0;
	}
	service_id = find_entry(port, 0);
	if (service_id) {
		finish_mapping(port, service_id);
		return 0;
	}
	note_untracked_port(port);
	__sync_fetch_and_add(&jsg_ports_refused, 1);
	if (!(__sync_fetch_and_or(&jsg_port_refused[port_word(port)], bit) & bit))
		COUNT(services_refused, 1);
	finish_mapping(port, JSG_PORT_REFUSED);
	return 0;
}

/* The same. Returns the service ID or 0, read back so that the verifier follows no loop value. */
static __always_inline __u32 service_claim(__u32 port)
{
	__u32 service_id;

	claim_entry(port);
	service_id = mapping_of(port);
	return is_service_id(service_id) ? service_id : 0;
}

/* Maps a port again that is leaving. Does not touch the mapping of other ports. */
static __noinline __attribute__((unused)) int claim_again(__u32 port)
{
	if (!find_entry(port, 1) || !change_mapping(port, JSG_PORT_FREE, JSG_PORT_CHANGING))
		return 0;
	finish_mapping(port, find_entry(port, 1));
	return 0;
}

/* Find. A replay has no sockets to find a service by. A simulation has. */
#if defined(__bpf__) || defined(JSG_HAS_SOCKETS)

/* Whether the socket is outside the only network namespace that is monitored. */
static __always_inline int is_elsewhere(const struct sock *sk)
{
	return jsg_config.netns && sk->__sk_common.skc_net.net->ns.inum != jsg_config.netns;
}

/*
 * The local port of a TCP socket, or 0 for a socket of another protocol. The field skc_num cannot
 * be used, because it is 0 already at ->CLOSE.
 */
static __always_inline __u32 local_port(struct sock *sk)
{
	const struct inet_sock *inet;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (jsg_config.has_rdonly_cast)
		inet = bpf_rdonly_cast(sk, bpf_core_type_id_kernel(struct inet_sock));
	else
		inet = (const struct inet_sock *)bpf_skc_to_tcp_sock(sk);
	return inet ? port_number(inet->inet_sport) & (JSG_PORTS - 1) : 0;
}

/* The ID of the service that monitors the socket, or 0. */
static __always_inline __u32 service_of(struct sock *sk)
{
	__u32 service_id = jsg_service_of_port[local_port(sk)];

	return is_service_id(service_id) && !is_elsewhere(sk) ? service_id : 0;
}

/* The same at a transition. An accepted connection gives its port a service. */
static __always_inline __u32 service_at(struct sock *sk, __u32 old_state, __u32 new_state)
{
	__u32 port = local_port(sk);
	__u32 service_id = jsg_service_of_port[port];

	if (is_service_id(service_id))
		return is_elsewhere(sk) ? 0 : service_id;
	if (old_state != JSG_TCP_LISTEN || new_state == JSG_TCP_CLOSE ||
	    !jsg_config.monitor_listeners || !port || service_id >= JSG_PORT_REFUSED ||
	    is_elsewhere(sk))
		return 0;
	return service_claim(port);
}

#endif

/* Leave. */

/*
 * If entries are scarce, an unused port loses its entry after so many steps: long enough for a
 * server that is restarted.
 */
#define SCARCE_RELEASE_STEPS 5

/* So many entries are kept free, as far as unused ports have them. */
#define ENTRIES_IN_RESERVE 4

/* Whether the port has had neither listener nor socket for so long. */
static __always_inline int is_unused(const struct jsg_service *service, __u64 now_ns, __u64 for_ns)
{
	return service->port && service->started_ns && service->mode != JSG_LEAVING &&
	       !service->pinned && now_ns - service->last_used_ns > for_ns &&
	       !jsg_alert_is_up(service);
}

/*
 * Unmaps the port if it is unused. Its entry is emptied a step later, unless the port is used
 * again.
 */
static __always_inline void release_if_unused(__u32 service_id, struct jsg_service *service,
					      __u64 now_ns)
{
	struct jsg_step_samples *samples = step_samples_of(service_id);
	__u64 for_ns = jsg_config.release_after_s * NS_IN_S;

	if (samples->leaves_early)
		for_ns = SCARCE_RELEASE_STEPS * jsg_config.step_ns;
	samples->leaves_early = 0;
	if (!is_unused(service, now_ns, for_ns))
		return;
	if (!change_mapping(service->port, service_id, JSG_PORT_FREE))
		return; /* another CPU was changing the word; tried again in the next step */
	service->mode_before = service->mode;
	service->mode = JSG_LEAVING;
	jsg_entries_leaving++;
}

/*
 * Counts free entries, and finds the port that has been unused for longest. A bpf_loop callback.
 * Its results are in memory, so that the verifier does not follow each of them.
 */
static long search_entry(__u32 index, void *context)
{
	__u32 service_id = index + 1;
	const struct jsg_service *service = bpf_map_lookup_elem(&services, &service_id);
	__u64 now_ns = *(__u64 *)context;

	if (!service)
		return 0;
	if (!service->port || service->mode == JSG_LEAVING)
		jsg_search.free++;
	if (service->last_used_ns < jsg_search.oldest_ns &&
	    !step_samples_of(service_id)->leaves_early &&
	    is_unused(service, now_ns, SCARCE_RELEASE_STEPS * jsg_config.step_ns)) {
		jsg_search.oldest_ns = service->last_used_ns;
		jsg_search.oldest = service_id;
	}
	return 0;
}

static __always_inline void search_entries(__u64 now_ns)
{
	jsg_search.free = 0;
	jsg_search.oldest = 0;
	jsg_search.oldest_ns = ~0ULL;
	bpf_loop(JSG_SERVICES, search_entry, &now_ns, 0);
}

/*
 * Chooses one unused port that leaves early, if entries are scarce. It leaves at its service's
 * step, so that a whole pass of samples follows. At the first tick of a step, finds out how many
 * are to leave.
 */
static __noinline __attribute__((unused)) int relieve(__u32 is_first_tick, __u64 now_ns)
{
	if (!is_first_tick && !jsg_search.wanted)
		return 0;
	search_entries(now_ns);
	if (is_first_tick)
		jsg_search.wanted =
			RELAXED_READ(jsg_ports_refused) +
			(jsg_search.free < ENTRIES_IN_RESERVE ? ENTRIES_IN_RESERVE - jsg_search.free
							      : 0);
	if (!jsg_search.wanted)
		return 0;
	if (!jsg_search.oldest) {
		jsg_search.wanted = 0;
		return 0;
	}
	jsg_search.wanted--;
	step_samples_of(jsg_search.oldest)->leaves_early = 1;
	return 0;
}

/* Lets the ports of one word try again that were refused an entry. A bpf_loop callback. */
static long forget_refusals(__u32 index, void *context)
{
	__u32 port = *(__u32 *)context + index * 4;

	for (__u32 i = 0; i < 4; i++) {
		if (mapping_of(port + i) == JSG_PORT_REFUSED &&
		    change_mapping(port + i, JSG_PORT_REFUSED, JSG_PORT_FREE))
			__sync_fetch_and_sub(&jsg_ports_refused, 1);
	}
	return 0;
}

/* The same for one tick's part of the ports. */
static __always_inline void retry_refused(__u32 tick, __u32 ticks)
{
	__u32 first = tick * (JSG_PORTS / ticks);

	if (RELAXED_READ(jsg_ports_refused))
		bpf_loop(JSG_PORTS / ticks / 4, forget_refusals, &first, 0);
}

/* Empty. */

/* Stands in service->port while the tick empties the entry: it is neither free nor any port's. */
#define PORT_BEING_EMPTIED JSG_PORTS

/*
 * Keeps the baseline of a port that loses its entry, for when it is used again. But not if it is to
 * relearn.
 */
static __always_inline void save_baseline(__u32 service_id, const struct jsg_service *service,
					  __u32 port)
{
	const struct jsg_baseline *baseline = bpf_map_lookup_elem(&baselines, &service_id);
	__u32 zero = 0;
	const struct jsg_control *asked = bpf_map_lookup_elem(&control, &zero);

	if (asked && asked->relearn != service->relearn_request)
		return;
	if (baseline && bpf_map_update_elem(&saved_baselines, &port, baseline, BPF_ANY))
		COUNT(baselines_lost, 1);
}

/*
 * Empties the entry for the next port. Counters only grow, so the present counts become reading 0
 * of the next service. The port is set to 0 last, because the entry is free from then on.
 */
__noinline int empty_entry(__u32 service_id, __u32 port)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &service_id);

	if (!service)
		return 0;
	if (service->mode_before == JSG_MONITORING)
		save_baseline(service_id, service, port);
	take_reading(service_id, 0);
	late_of(service_id)->untracked_opened = 0;
	late_of(service_id)->untracked_closed = 0;
	service->untracked_opened = 0;
	service->untracked_closed = 0;
	bpf_map_update_elem(&baselines, &service_id, &empty_baseline, BPF_ANY);
	bpf_map_update_elem(&pending_baselines, &service_id, &empty_baseline, BPF_ANY);
	step_samples_of(service_id)->deviating_cells = 0;
	step_samples_of(service_id)->deviating_ends = 0;
	service->started_ns = 0;
	service->sequence = 0;
	service->last_used_ns = 0;
	service->trend_sum_nanobits = 0;
	for (int i = 0; i < JSG_TREND_WINDOWS; i++)
		service->trend_nanobits[i] = 0;
	__builtin_memset(service->alerts, 0, sizeof(service->alerts));
	for (int signal = 0; signal < JSG_SIGNALS; signal++)
		service->threshold_nanobits[signal] = 0;
	service->mode = JSG_FREE;
	service->mode_before = JSG_FREE;
	service->learned_steps = 0;
	service->relearning = 0;
	service->baselines_learned = 0;
	service->warnings = 0;
	service->quiet_steps = 0;
	service->listeners = 0;
	service->sockets = 0;
	service->untracked_sockets = 0;
	__sync_lock_test_and_set(&service->port, 0);
	return 0;
}

/*
 * A step of an entry that is leaving: the samples of one whole pass are there. Empties the entry,
 * or returns 1 if its port is used again.
 */
static __always_inline int is_used_again(__u32 service_id, struct jsg_service *service)
{
	const struct jsg_step_samples *samples = step_samples_of(service_id);
	__u32 port = service->port;

	int is_used = samples->sockets || samples->listeners || samples->closed;

	if (is_used)
		change_mapping(port, JSG_PORT_FREE, service_id);
	if (mapping_of(port) == service_id) {
		service->mode = service->mode_before;
		jsg_entries_leaving--;
		return 1;
	}
	/* Another CPU was changing the word, or is claiming this entry: tried again next step. */
	if (is_used || !change_mapping(port, JSG_PORT_FREE, JSG_PORT_CHANGING))
		return 0;
	/*
	 * No claim finds the entry from here on, so the mapping is not kept from others. The
	 * exchange is a full barrier: another CPU that sees the port free sees this too.
	 */
	__sync_lock_test_and_set(&service->port, PORT_BEING_EMPTIED);
	finish_mapping(port, JSG_PORT_FREE);
	empty_entry(service_id, port);
	jsg_entries_leaving--;
	return 0;
}

#endif
