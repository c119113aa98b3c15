/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* services.bpf.h: claims, finds and releases the service entry of a port. */
#ifndef JSG_SERVICES_BPF_H
#define JSG_SERVICES_BPF_H

#include "window.bpf.h"

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

/* Claim. */

/*
 * Gives a port a service entry, if one is free. The port's claimed bit is set first, so that only
 * one of two CPUs claims an entry for the same port (SO_REUSEPORT). An excluded port has the bit
 * from the start. A free entry's state is empty, because the tick empties it on release.
 */
static __noinline int claim_entry(__u32 port)
{
	__u64 bit = port_bit(port);
	__u32 word = port_word(port);

	if (__sync_fetch_and_or(&jsg_port_claimed[word], bit) & bit)
		return 0;
	for (__u32 service_id = 1; service_id <= JSG_SERVICES; service_id++) {
		/* A copy, because the verifier of 6.1 loses track of a counter on the stack. */
		__u32 key = service_id;
		struct jsg_service *service = bpf_map_lookup_elem(&services, &key);

		if (!service || service->port ||
		    __sync_val_compare_and_swap(&service->port, 0, port))
			continue;
		RELAXED_WRITE(jsg_service_of_port[port & (JSG_PORTS - 1)], service_id);
		return 0;
	}
	__sync_fetch_and_and(&jsg_port_claimed[word], ~bit);
	note_untracked_port(port);
	if (!(__sync_fetch_and_or(&jsg_port_refused[word], bit) & bit))
		COUNT(services_refused, 1);
	return 0;
}

/* The same. Returns the service ID or 0, read back so that the verifier follows no loop value. */
static __always_inline __u32 service_claim(__u32 port)
{
	claim_entry(port);
	return RELAXED_READ(jsg_service_of_port[port & (JSG_PORTS - 1)]);
}

/* Find. The native build has no sockets to find a service by. */
#ifdef __bpf__

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

/* The ID of the service that monitors the socket, or 0. A port that begins to listen gets one. */
static __always_inline __u32 service_of(struct sock *sk, __u32 new_state)
{
	__u32 port = local_port(sk);
	__u32 service_id = jsg_service_of_port[port];

	if (service_id)
		return is_elsewhere(sk) ? 0 : service_id;
	if (new_state != JSG_TCP_LISTEN || !jsg_config.monitor_listeners || !port ||
	    is_elsewhere(sk))
		return 0;
	return service_claim(port);
}

#endif

/* Release. */

/* An unused port loses its service entry after this time. */
#define RELEASE_AFTER_NS (60 * NS_IN_S)

/* Whether the port has had neither listener nor socket for so long that it loses its entry. */
static __always_inline int is_unused(const struct jsg_service *service, __u64 now_ns)
{
	return !service->pinned && now_ns - service->last_used_ns > RELEASE_AFTER_NS &&
	       !jsg_alert_is_up(service);
}

/*
 * Stops monitoring the port. The entry is emptied one step later, so that transitions that are just
 * being counted reach its counters first.
 */
static __always_inline void release_port(struct jsg_service *service)
{
	__u32 port = service->port;

	RELAXED_WRITE(jsg_service_of_port[port & (JSG_PORTS - 1)], 0);
	__sync_fetch_and_and(&jsg_port_claimed[port_word(port)], ~port_bit(port));
	service->mode = JSG_LEAVING;
}

/*
 * Empties the entry for the next port. Counters only grow, so the present counts become reading 0
 * of the next service. The port is set to 0 last, because the entry is free from then on.
 */
__noinline int empty_entry(__u32 service_id)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &service_id);

	if (!service)
		return 0;
	take_reading(service_id, 0);
	service->untracked_opened = jsg_work.untracked_opened;
	service->untracked_closed = jsg_work.untracked_closed;
	bpf_map_update_elem(&baselines, &service_id, &empty_baseline, BPF_ANY);
	bpf_map_update_elem(&pending_baselines, &service_id, &empty_baseline, BPF_ANY);
	step_samples_of(service_id)->deviating_cells = 0;
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

#endif
