/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * bpf_helpers.h: replaces libbpf's header of this name where the programs are compiled for user
 * space. The maps and their sizes come from the declarations in maps.bpf.h.
 */
#ifndef JSG_NATIVE_BPF_HELPERS_H
#define JSG_NATIVE_BPF_HELPERS_H

#include <stdlib.h>
#include <string.h>

#include <linux/bpf.h>

#undef __always_inline
#define __always_inline inline __attribute__((always_inline, unused))
#define __noinline __attribute__((noinline, unused))
#define __weak
#define __ksym
#define SEC(name)
#define __uint(name, value) int(*name)[value]
#define __type(name, value_type) typeof(value_type) *name
#define barrier_var(var) __asm__ volatile("" : "+r"(var))

/* Maps. */

/* A map's storage. The map's field `type` points to it, see NATIVE_MAP_BEGIN(). */
struct native_map {
	__u32 is_hash;
	__u32 entries; /* places: of an array max_entries, of a hash at least twice as many */
	__u32 key_size;
	__u32 value_size;
	char *values;
	char *keys; /* of a hash only, like the next one */
	__u8 *places; /* by enum native_place */
};

enum native_place {
	NATIVE_PLACE_FREE,
	NATIVE_PLACE_TAKEN,
	NATIVE_PLACE_DELETED,
};

static inline void *native_zeroed(size_t number, size_t size)
{
	void *memory = calloc(number, size);

	if (!memory)
		abort();
	return memory;
}

/* Makes the storage of a map, empty. The storage from before is given back. */
static inline void native_map_begin(struct native_map **map, __u32 type, __u32 max_entries,
				    __u32 key_size, __u32 value_size)
{
	struct native_map *storage = native_zeroed(1, sizeof(*storage));

	if (*map) {
		free((*map)->values);
		free((*map)->keys);
		free((*map)->places);
		free(*map);
	}
	storage->is_hash = type == BPF_MAP_TYPE_HASH;
	storage->entries = max_entries;
	storage->key_size = key_size;
	storage->value_size = value_size;
	if (storage->is_hash) {
		for (storage->entries = 1; storage->entries < 2 * max_entries;)
			storage->entries *= 2;
		storage->keys = native_zeroed(storage->entries, key_size);
		storage->places = native_zeroed(storage->entries, 1);
	}
	storage->values = native_zeroed(storage->entries, value_size);
	*map = storage;
}

/* number: of entries, which the loader may set instead of the declaration. */
#define NATIVE_MAP_BEGIN(map, number)                                                              \
	native_map_begin((struct native_map **)&(map).type, sizeof(*(map).type) / sizeof(int),     \
			 number, sizeof(*(map).key), sizeof(*(map).value))
#define NATIVE_MAX_ENTRIES(map) (sizeof(*(map).max_entries) / sizeof(int))

/* The place of a key in a hash. If the key is not there: a place for it, or the last place. */
static inline __u32 native_place_of(const struct native_map *map, const void *key)
{
	const __u8 *bytes = key;
	__u32 hash = 2166136261U, place, unused = map->entries;

	for (__u32 i = 0; i < map->key_size; i++)
		hash = (hash ^ bytes[i]) * 16777619U; /* FNV-1a */
	hash ^= hash >> 15;
	for (__u32 i = 0; i < map->entries; i++) {
		place = (hash + i) & (map->entries - 1);
		if (map->places[place] == NATIVE_PLACE_TAKEN) {
			if (!memcmp(map->keys + (size_t)place * map->key_size, key, map->key_size))
				return place;
			continue;
		}
		if (unused == map->entries)
			unused = place;
		if (map->places[place] == NATIVE_PLACE_FREE)
			break;
	}
	return unused;
}

/* The storage of a map, whose first field is `type`. */
static inline struct native_map *native_map_of(const void *map)
{
	return *(struct native_map *const *)map;
}

static inline void *bpf_map_lookup_elem(const void *map, const void *key)
{
	const struct native_map *storage = native_map_of(map);
	__u32 place;

	if (storage->is_hash) {
		place = native_place_of(storage, key);
		if (place == storage->entries || storage->places[place] != NATIVE_PLACE_TAKEN)
			return NULL;
	} else {
		place = *(const __u32 *)key;
		if (place >= storage->entries)
			return NULL;
	}
	return storage->values + (size_t)place * storage->value_size;
}

/* The machine has one CPU. */
static inline void *bpf_map_lookup_percpu_elem(const void *map, const void *key, __u32 cpu)
{
	return cpu == 0 ? bpf_map_lookup_elem(map, key) : NULL;
}

static inline long bpf_map_update_elem(const void *map, const void *key, const void *value,
				       __u64 flags)
{
	const struct native_map *storage = native_map_of(map);
	__u32 place = *(const __u32 *)key;

	if (flags != BPF_ANY)
		return -1;
	if (storage->is_hash)
		place = native_place_of(storage, key);
	if (place >= storage->entries)
		return -1;
	if (storage->is_hash) {
		memcpy(storage->keys + (size_t)place * storage->key_size, key, storage->key_size);
		storage->places[place] = NATIVE_PLACE_TAKEN;
	}
	memcpy(storage->values + (size_t)place * storage->value_size, value, storage->value_size);
	return 0;
}

/* Deletes from a hash only, as in the kernel. */
static inline long bpf_map_delete_elem(const void *map, const void *key)
{
	const struct native_map *storage = native_map_of(map);
	__u32 place;

	if (!storage->is_hash)
		return -1;
	place = native_place_of(storage, key);
	if (place == storage->entries || storage->places[place] != NATIVE_PLACE_TAKEN)
		return -1;
	storage->places[place] = NATIVE_PLACE_DELETED;
	return 0;
}

/* The other helpers that the programs call. */

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

/* Who compiles the programs defines these: they concern time, sockets and alerts. */
static __u64 bpf_ktime_get_ns(void);
static __u64 bpf_jiffies64(void);
static long bpf_timer_init(struct bpf_timer *timer, void *map, __u64 flags);
static long bpf_timer_set_callback(struct bpf_timer *timer, void *callback);
static long bpf_timer_start(struct bpf_timer *timer, __u64 after_ns, __u64 flags);
static struct tcp_sock *bpf_skc_to_tcp_sock(void *socket);
static long bpf_ringbuf_output(void *ring, void *record, __u64 size, __u64 flags);

#endif
