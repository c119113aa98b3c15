/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* clock.bpf.h: the tick, which samples a slice of the slots and makes one service step. */
#ifndef JSG_CLOCK_BPF_H
#define JSG_CLOCK_BPF_H

#include "sampling.bpf.h"
#include "service_step.bpf.h"

/* Ticks in a step: one for each service, so that each tick makes the step of one service. */
#define TICKS JSG_SERVICES
#define SLICE (SLOTS / TICKS)
JSG_ASSERT(SLOTS % (TICKS * GROUP) == 0, "a slice is a whole number of groups");

/* Adds the time that one callback took. */
static __always_inline void count_tick(__u64 from_ns, __u64 to_ns)
{
	__u32 zero = 0;
	struct jsg_ticks *all = bpf_map_lookup_elem(&ticks, &zero);
	__u64 took_ns = to_ns - from_ns;

	if (!all)
		return;
	all->count++;
	all->total_ns += took_ns;
	if (all->longest_ns < took_ns)
		all->longest_ns = took_ns;
	all->last_ns = to_ns;
}

/* The timer's callback. */
static int tick(void *map, __u32 *key, struct jsg_clock *clock)
{
	__u64 began_ns = bpf_ktime_get_ns();
	__u64 period_ns = jsg_config.step_ns / TICKS;
	__u64 now_ns;
	struct jsg_walk walk = {
		.first = clock->tick * SLICE,
		.now_ms = began_ns / NS_IN_MS,
		.sample_mask = jsg_sample_weight - 1,
		.weight = jsg_sample_weight,
	};

	RELAXED_WRITE(jsg_now_ms, walk.now_ms);
	bpf_loop(SLICE / GROUP, sample_group, &walk, 0);
	clock->remembered += walk.remembered;
	count_noted_ends(walk.now_ms);
	relieve(!clock->tick, began_ns);
	retry_refused(clock->tick, TICKS);
	service_step(clock->tick + 1, began_ns);
	if (++clock->tick == TICKS) {
		clock->tick = 0;
		choose_sample_weight(clock);
	}

	clock->next_ns += period_ns;
	now_ns = bpf_ktime_get_ns();
	count_tick(began_ns, now_ns);
	if (now_ns > clock->next_ns + jsg_config.step_ns) {
		COUNT(steps_late, (now_ns - clock->next_ns) / jsg_config.step_ns);
		clock->next_ns = now_ns + period_ns;
	}
	bpf_timer_start(&clock->timer, clock->next_ns > now_ns ? clock->next_ns - now_ns : 1, 0);
	return 0;
}

#endif
