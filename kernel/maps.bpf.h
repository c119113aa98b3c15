/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* maps.bpf.h: every map and every global of the BPF programs, each with its writer. */
#ifndef JSG_MAPS_BPF_H
#define JSG_MAPS_BPF_H

#include "layouts.h"
#include "tcp.bpf.h"

#define barrier() asm volatile("" ::: "memory")
#define RELAXED_READ(x) (*(const volatile typeof(x) *)&(x))
#define RELAXED_WRITE(x, value) (*(volatile typeof(x) *)&(x) = (value))

#define NS_IN_MS 1000000ULL
#define NS_IN_S 1000000000ULL
#define MS_IN_S 1000U

/*
 * The configuration. Writer: the loader, before it loads the programs. A simulation that compiles
 * the programs for user space defines JSG_CONFIG_CONST as nothing, because it writes it later.
 */
#ifndef JSG_CONFIG_CONST
#define JSG_CONFIG_CONST const
#endif

JSG_CONFIG_CONST volatile struct jsg_config jsg_config = {};

static __always_inline __u32 step_seconds(void)
{
	return jsg_config.step_ns / NS_IN_S;
}

/* A copy for readers outside. The programs do not read it. Writer: the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct jsg_config);
} config SEC(".maps");

/* What other programs ask the detector to do. Writer: those programs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct jsg_control);
} control SEC(".maps");

/* Counting. */

/* Transitions by service and CPU. Writer: jsg_transition, on its own CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, JSG_SERVICE_ENTRIES);
	__type(key, __u32);
	__type(value, struct jsg_counters);
} counters SEC(".maps");

/* Scratch space of the programs. Writer: each program its own fields, on its own CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct jsg_scratch);
} scratch SEC(".maps");

static __always_inline struct jsg_scratch *scratch_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

/*
 * Returns the address of a kernel object as a number, because the verifier forbids arithmetic on
 * the pointer. Storing the pointer in the program's own scratch field and reading it back costs
 * least. Before 6.1 the kernel may run a program inside itself (__bpf_trace_run() in
 * kernel/trace/bpf_trace.c), and the inner run would overwrite the field. So kernels without
 * bpf_rdonly_cast (before 6.2) copy the pointer with a helper instead.
 */
static __always_inline __u64 address_of(const void *object, __u64 *scratch_field)
{
	__u64 address = 0;

	if (jsg_config.has_rdonly_cast) { /* since 6.2 */
		*(const void *volatile *)scratch_field = object;
		return *(volatile __u64 *)scratch_field;
	}
	bpf_probe_read_kernel(&address, sizeof(address), &object);
	return address;
}

/*
 * Remembered sockets. Each socket may take a slot in one of two buckets, which its address's hash
 * selects; a bucket is one cache line. Writers: the programs take a slot by compare-and-swap of sk,
 * jsg_destroy empties it (a listener's: the program that sees it end), and the tick empties the
 * slots of sockets that are gone.
 */
#ifndef SLOT_BITS /* a simulation has fewer */
#define SLOT_BITS 17
#endif
#define SLOTS (1U << SLOT_BITS)
#define SLOT_MASK (SLOTS - 1)
#define BUCKET_SLOTS 4

struct jsg_slot jsg_slots[SLOTS] __attribute__((aligned(BUCKET_SLOTS * sizeof(struct jsg_slot))));

/* Arrays by service ID have this many elements, so that a mask bounds the index. */
#define SERVICE_ARRAY_SIZE 128
JSG_ASSERT(JSG_SERVICE_ENTRIES <= SERVICE_ARRAY_SIZE &&
		   !(SERVICE_ARRAY_SIZE & (SERVICE_ARRAY_SIZE - 1)),
	   "a mask bounds a service ID");

/* What is counted rarely, by service. Writers: all CPUs, with atomic additions. */
struct jsg_late jsg_late[SERVICE_ARRAY_SIZE];

static __always_inline struct jsg_late *late_of(__u32 service_id)
{
	barrier_var(service_id); /* so that the compiler keeps the mask, for the verifier of 6.1 */
	return &jsg_late[service_id & (SERVICE_ARRAY_SIZE - 1)];
}

/* Ports and their services. Writers: see services.bpf.h. */

/*
 * What each port is mapped to, a service ID or an enum jsg_port_mapping: one load on the path of
 * every transition.
 */
__u8 jsg_service_of_port[JSG_PORTS] __attribute__((aligned(4)));

/* The number of ports that are mapped to JSG_PORT_REFUSED. */
__u32 jsg_ports_refused;

/* The number of entries that are leaving. Writer: the tick. */
__u32 jsg_entries_leaving;

/* Writer: the tick. */
struct jsg_search jsg_search;

/* One bit for each port that was refused a service because no entry was free. */
__u64 jsg_port_refused[JSG_PORTS / 64];

/* One bit for each port that had untracked sockets while it had no service. */
__u64 jsg_port_untracked[JSG_PORTS / 64];

/* The clock. Writer: the tick. */

struct jsg_clock {
	struct bpf_timer timer;
	__u64 next_ns; /* when the next tick is due, CLOCK_MONOTONIC */
	__u32 tick; /* number of the next tick within its step */
	__u32 remembered; /* sockets with a slot that this step's ticks have found so far */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct jsg_clock);
} clocks SEC(".maps");

/* What the tick's callbacks cost. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct jsg_ticks);
} ticks SEC(".maps");

/* The time in ms. The programs read it here, because reading a clock costs more than a load. */
__u32 jsg_now_ms;

/* CLOCK_REALTIME less CLOCK_MONOTONIC. Writer: the loader, repeatedly. */
__s64 jsg_unix_offset_ns;

/* 1: the iterator has passed over every socket that was open before. Writer: the loader. */
__u32 jsg_all_adopted;

/* The jiffies when the clock was started with jsg_all_adopted set; otherwise 0. */
__u64 jsg_since_jiffies;

/* 1: the iterator may give the ports of open sockets a service. Writer: the loader. */
__u32 jsg_adopt_listeners;

/* Sampling. Writer: the tick. */

/* What the last sample found of a socket. The key is the number of the socket's slot. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, struct jsg_last_sample);
} last_samples SEC(".maps");

/* What the samples found, by service. */
struct jsg_step_samples jsg_step_samples[SERVICE_ARRAY_SIZE];

static __always_inline struct jsg_step_samples *step_samples_of(__u32 service_id)
{
	barrier_var(service_id); /* so that the compiler keeps the mask, for the verifier of 6.1 */
	return &jsg_step_samples[service_id & (SERVICE_ARRAY_SIZE - 1)];
}

/* Sampling weight: the number of sockets that each sampled socket represents. A power of two. */
__u32 jsg_sample_weight;

/* The sources that are being counted, by service and signal. */
struct jsg_counted_sources jsg_counted_sources[SERVICE_ARRAY_SIZE * JSG_SIGNALS];

static __always_inline struct jsg_counted_sources *counted_sources_of(__u32 list)
{
	barrier_var(list); /* so that the compiler keeps the mask, for the verifier of 6.1 */
	return &jsg_counted_sources[list & (SERVICE_ARRAY_SIZE * JSG_SIGNALS - 1)];
}

/*
 * The ends of connections whose sources are to be counted: a ring. Writers: the programs, which
 * note an end; the tick counts it.
 */
#define NOTED_ENDS 4096U
#define NOTED_ENDS_RESERVE 1024U

struct jsg_noted_end jsg_noted_ends[NOTED_ENDS];
__u32 jsg_ends_noted;
__u32 jsg_ends_counted;

/*
 * The sources of deviating sockets, in sets that a hash selects. In a full set a new source
 * replaces the one that was seen least recently.
 */
#define SOURCE_SET_BITS 11
#define SOURCE_WAYS 8
#define SOURCE_ENTRIES ((1U << SOURCE_SET_BITS) * SOURCE_WAYS)

struct jsg_source_entry jsg_source_entries[SOURCE_ENTRIES];

/* Services and their windows. Writer: the tick, unless a comment says otherwise. */

/* A program that claims an entry writes its port. The loader sets up the given ports. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, JSG_SERVICE_ENTRIES);
	__type(key, __u32);
	__type(value, struct jsg_service);
} services SEC(".maps");

/* The loader sets max_entries to the service entries times readings_per_service. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct jsg_reading);
} readings SEC(".maps");

/* The baselines in force. The loader writes those that come from a file, before the start. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, JSG_SERVICE_ENTRIES);
	__type(key, __u32);
	__type(value, struct jsg_baseline);
} baselines SEC(".maps");

/*
 * Baselines of ports without a service entry: from a file, or of a port that lost its entry. The
 * loader writes those from a file before the start, and makes the map larger if they need it.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, JSG_SAVED_BASELINES);
	__type(key, __u32);
	__type(value, struct jsg_baseline);
} saved_baselines SEC(".maps");

/* What is being learned. It becomes the baseline in force when it is complete. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, JSG_SERVICE_ENTRIES);
	__type(key, __u32);
	__type(value, struct jsg_baseline);
} pending_baselines SEC(".maps");

/* A hash and not an array, so that a dump shows only the records that exist. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, JSG_SERVICES *JSG_WINDOWS_KEPT);
	__type(key, struct jsg_window_key);
	__type(value, struct jsg_window);
} windows SEC(".maps");

/* Alerts, and nothing else. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} alerts SEC(".maps");

/* The number of the last alert that was raised. */
__u64 jsg_alert_number;

/* The tick's scratch space, which is too large for the stack. Only one tick runs at a time. */
struct jsg_work jsg_work;

/* Losses and totals. Writers: all programs, with atomic additions. */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct jsg_stats);
} stats SEC(".maps");

static __always_inline struct jsg_stats *all_stats(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&stats, &zero);
}

/* Adds to a named counter of struct jsg_stats, from any context. */
#define COUNT(counter, number)                                                                     \
	do {                                                                                       \
		struct jsg_stats *all_ = all_stats();                                              \
		if (all_)                                                                          \
			__sync_fetch_and_add(&all_->counter, number);                              \
	} while (0)

#endif
