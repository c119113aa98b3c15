/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* state.bpf.h: every map and every global of the BPF program, with who writes it. */
#ifndef JSG_STATE_BPF_H
#define JSG_STATE_BPF_H

#include "tables.h"
#include "tcp.bpf.h"

#define barrier() asm volatile("" ::: "memory")
#define RELAXED_READ(x) (*(const volatile typeof(x) *)&(x))
#define RELAXED_WRITE(x, value) (*(volatile typeof(x) *)&(x) = (value))

#define NS_IN_MS 1000000ULL
#define NS_IN_S 1000000000ULL

const volatile struct jsg_config jsg_config = {};

static __always_inline __u32 step_seconds(void)
{
	return jsg_config.step_ns / NS_IN_S;
}

/* The same for readers outside. Written by the loader before the start; the kernel reads none. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct jsg_config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, JSG_SERVICE_PLACES);
	__type(key, __u32);
	__type(value, struct jsg_counters);
} counters SEC(".maps");

/* The programs' work space. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct jsg_called);
} called SEC(".maps");

/*
 * The address of a kernel object as a number: the verifier forbids arithmetic on the pointer
 * itself. Through the program's own place in the map, which costs least; but before 6.1 the kernel
 * may run a program inside itself (__bpf_trace_run() in kernel/trace/bpf_trace.c), which would
 * write there in between.
 */
static __always_inline __u64 address_of(const void *object, __u64 *place)
{
	__u64 address = 0;

	if (jsg_config.has_rdonly_cast) { /* since 6.2 */
		*(const void *volatile *)place = object;
		return *(volatile __u64 *)place;
	}
	bpf_probe_read_kernel(&address, sizeof(address), &object);
	return address;
}

/* Written by the tick; the loader sets max_entries to places times readings_per_service. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct jsg_reading);
} readings SEC(".maps");

/* Written by the tick; a port is put in by whoever claims the place. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, JSG_SERVICE_PLACES);
	__type(key, __u32);
	__type(value, struct jsg_service);
} services SEC(".maps");

/* What is being learned, by service; a baseline comes in force when it is complete. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, JSG_SERVICE_PLACES);
	__type(key, __u32);
	__type(value, struct jsg_baseline);
} lessons SEC(".maps");

/* Written from outside. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct jsg_requests);
} requests SEC(".maps");

/* The baselines in force. Written by the tick, and by the loader before the start. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, JSG_SERVICE_PLACES);
	__type(key, __u32);
	__type(value, struct jsg_baseline);
} baselines SEC(".maps");

/* A hash, not an array, so that a dump shows the records that there are and no empty ones. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, JSG_SERVICES *JSG_WINDOWS_KEPT);
	__type(key, struct jsg_window_key);
	__type(value, struct jsg_window);
} windows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} alerts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct jsg_stats);
} stats SEC(".maps");

/* Written by the tick. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct jsg_ticks);
} ticks SEC(".maps");

/*
 * Remembered sockets. Each may have a slot in one of two buckets, a cache line each, that its
 * address's hash gives. Taken by compare-and-swap of sk, emptied by jsg_destroy, read by the tick,
 * which also empties those of lost sockets.
 */
#define SLOT_BITS 17
#define SLOTS (1U << SLOT_BITS)
#define SLOT_MASK (SLOTS - 1)
#define BUCKET_SLOTS 4

struct jsg_slot jsg_slots[SLOTS] __attribute__((aligned(BUCKET_SLOTS * sizeof(struct jsg_slot))));

/* What the tick knows of the socket in the slot of the same number. Written by the tick alone. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct jsg_look);
} looks SEC(".maps");

/* What the looks found, by service. Written by the tick alone. */
#define FOUND_PLACES 128
JSG_ASSERT(JSG_SERVICE_PLACES <= FOUND_PLACES && !(FOUND_PLACES & (FOUND_PLACES - 1)),
	   "a mask bounds a service's number");
struct jsg_found jsg_found[FOUND_PLACES];

static __always_inline struct jsg_found *found_of(__u32 service)
{
	return &jsg_found[service & (FOUND_PLACES - 1)];
}

/* By service. All CPUs share it, and add atomically. */
struct jsg_late jsg_late[FOUND_PLACES];

static __always_inline struct jsg_late *late_of(__u32 service)
{
	return &jsg_late[service & (FOUND_PLACES - 1)];
}

/* The service that guards a port, 0 for none: one load on the path of every transition. */
__u8 jsg_service_of_port[JSG_PORTS];

/* A bit for each port that has, is getting, or may not have a service; and one for each refused. */
__u64 jsg_port_claimed[JSG_PORTS / 64];
__u64 jsg_port_refused[JSG_PORTS / 64];

/* A bit for each port that had sockets while it had no service. */
__u64 jsg_port_strangers[JSG_PORTS / 64];

/* The time in ms, published by the tick, because a clock read costs more than a load. */
__u32 jsg_now_ms;

/* CLOCK_REALTIME less CLOCK_MONOTONIC; the loader keeps it. */
__s64 jsg_unix_offset_ns;

/*
 * So many sockets does one stand for that is looked at: 1 but for a server with very many. Power of
 * two.
 */
__u32 jsg_sample_weight;

/* 1: every socket that was there before has been passed over. Set by the loader. */
__u32 jsg_all_adopted;

/* When the clock was started on such terms, in jiffies; else 0. */
__u64 jsg_since_jiffies;

/* 1: the pass over existing sockets guards the ports of listeners. Set by the loader. */
__u32 jsg_adopt_listeners;

static __always_inline struct jsg_stats *the_stats(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&stats, &zero);
}

/* Adds to a named counter of struct jsg_stats; from any context. */
#define COUNT(counter, number)                                                                     \
	do {                                                                                       \
		struct jsg_stats *all_ = the_stats();                                              \
		if (all_)                                                                          \
			__sync_fetch_and_add(&all_->counter, number);                              \
	} while (0)

#endif
