/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * native_state.h: replaces maps.bpf.h where a service step is compiled for user space. Maps are
 * arrays, and helpers are functions.
 */
#ifndef JSG_MAPS_BPF_H
#define JSG_MAPS_BPF_H /* the include guard of the file that this one replaces */

#include <linux/bpf.h>
#include <stddef.h>
#include <string.h>

#include "kernel/native/kernel_replay.h"
#include "kernel/occupancy.h"
#include "kernel/layouts.h"

#undef __always_inline
#define __always_inline inline __attribute__((always_inline, unused))
#define __noinline __attribute__((noinline, unused))

#define barrier() __asm__ volatile("" ::: "memory")
#define barrier_var(var) ((void)(var))
#define RELAXED_READ(x) (*(const volatile __typeof__(x) *)&(x))
#define RELAXED_WRITE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))

#define NS_IN_MS 1000000ULL
#define NS_IN_S 1000000000ULL
#define MS_IN_S 1000U

static struct jsg_config jsg_config;

static __always_inline __u32 step_seconds(void)
{
	return (__u32)(jsg_config.step_ns / NS_IN_S);
}

/* A map whose keys are, or begin with, an index. */
struct native_map {
	void *values;
	size_t value_size;
	__u32 entries;
};

#define NATIVE_MAP(name, type, count)                                                              \
	static type name##_values[count];                                                          \
	static struct native_map name = {                                                          \
		.values = name##_values,                                                           \
		.value_size = sizeof(type),                                                        \
		.entries = count,                                                                  \
	}

NATIVE_MAP(counters, struct jsg_counters, JSG_SERVICE_ENTRIES); /* of a single CPU */
NATIVE_MAP(services, struct jsg_service, JSG_SERVICE_ENTRIES);
NATIVE_MAP(pending_baselines, struct jsg_baseline, JSG_SERVICE_ENTRIES);
NATIVE_MAP(baselines, struct jsg_baseline, JSG_SERVICE_ENTRIES);
/* Always empty: a recording has the baselines of its services. */
NATIVE_MAP(saved_baselines, struct jsg_baseline, 1);
NATIVE_MAP(control, struct jsg_control, 1);
NATIVE_MAP(stats, struct jsg_stats, 1);
/* Has only the last window of each service, because the key begins with the service ID. */
NATIVE_MAP(windows, struct jsg_window, JSG_SERVICE_ENTRIES);
JSG_ASSERT(offsetof(struct jsg_window_key, service_id) == 0,
	   "a window's key begins with its service");

/* Allocated when the length of a window is known. */
static struct native_map readings = {.value_size = sizeof(struct jsg_reading)};

/* Alerts go to the handler of the replay. */
static struct {
	kernel_replay_alert_handler *handler;
	void *context;
} alerts;

static struct jsg_step_samples jsg_step_samples[JSG_SERVICE_ENTRIES];

static __always_inline struct jsg_step_samples *step_samples_of(__u32 service_id)
{
	return &jsg_step_samples[service_id];
}

/* Always empty: a recording has no sources. */
static struct jsg_counted_sources jsg_counted_sources[JSG_SERVICE_ENTRIES * JSG_SIGNALS];

static __always_inline struct jsg_counted_sources *counted_sources_of(__u32 list)
{
	return &jsg_counted_sources[list];
}

/* Always 0: a recording counts late transitions together with the others. */
static struct jsg_late jsg_late[JSG_SERVICE_ENTRIES];

static __always_inline struct jsg_late *late_of(__u32 service_id)
{
	return &jsg_late[service_id];
}

static __u8 jsg_service_of_port[JSG_PORTS] __attribute__((aligned(4)));
static __u32 jsg_ports_refused;
static __u32 jsg_entries_leaving;
static struct jsg_search jsg_search;
static __u64 jsg_port_refused[JSG_PORTS / 64];
static __u64 jsg_port_untracked[JSG_PORTS / 64];
static __s64 jsg_unix_offset_ns;
static __u32 jsg_sample_weight;
static __u64 jsg_alert_number;
static struct jsg_work jsg_work;

static inline void *bpf_map_lookup_elem(const struct native_map *map, const void *key)
{
	const __u32 index = *(const __u32 *)key;

	return index < map->entries ? (char *)map->values + index * map->value_size : NULL;
}

static inline void *bpf_map_lookup_percpu_elem(const struct native_map *map, const void *key,
					       __u32 cpu)
{
	return cpu == 0 ? bpf_map_lookup_elem(map, key) : NULL;
}

static inline long bpf_map_update_elem(const struct native_map *map, const void *key,
				       const void *value, __u64 flags)
{
	void *target = bpf_map_lookup_elem(map, key);

	if (!target || flags != BPF_ANY)
		return -1;
	memcpy(target, value, map->value_size);
	return 0;
}

static inline long bpf_map_delete_elem(const struct native_map *map, const void *key)
{
	void *value = bpf_map_lookup_elem(map, key);

	if (value)
		memset(value, 0, map->value_size);
	return 0;
}

static inline long bpf_loop(__u32 count, long (*callback)(__u32, void *), void *context,
			    __u64 flags)
{
	__u32 i = 0;

	if (flags)
		return -1;
	while (i < count && !callback(i, context))
		i++;
	return i;
}

static inline long bpf_probe_read_kernel(void *to, __u32 size, const void *from)
{
	memcpy(to, from, size);
	return 0;
}

static inline long bpf_ringbuf_output(void *ring, const void *record, __u64 size, __u64 flags)
{
	if (ring != &alerts || size != sizeof(struct jsg_alert) || flags)
		return -1;
	alerts.handler(alerts.context, record);
	return 0;
}

static inline struct jsg_stats *all_stats(void)
{
	const __u32 zero = 0;

	return bpf_map_lookup_elem(&stats, &zero);
}

#define COUNT(counter, number) (all_stats()->counter += (number))

#endif
