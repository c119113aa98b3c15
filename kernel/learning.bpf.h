/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* learning.bpf.h: gathers a service's baseline, brings it in force, learns anew when asked. */
#ifndef JSG_LEARNING_BPF_H
#define JSG_LEARNING_BPF_H

#include "spread.h"
#include "window.bpf.h"

static const struct jsg_baseline nothing_learned;

/* Adds what was counted in so many steps; with sign -1 takes it out again. */
static __always_inline void add_counts(struct jsg_baseline *sum, int sign, __u32 steps)
{
	const struct jsg_counts *counts = &jsg_work.counts;
	__u32 step_s = sign * step_seconds();

	for (int cell = 0; cell < JSG_TRANSITION_CELLS; cell++)
		sum->transition_counts[cell] += sign * counts->cells.transitions[cell];
	for (int cell = 0; cell < JSG_PHASE_CELLS; cell++)
		sum->occupancy_socket_seconds[cell] += counts->cells.occupancy[cell] * step_s;
	sum->transitions += sign * counts->transitions;
	sum->exchanges += sign * counts->exchanges;
	sum->judged_socket_seconds += counts->judged * step_s;
	sum->waiting_socket_seconds += counts->waiting * step_s;
	sum->learned_s += steps * step_s;
	sum->queue_full_s += counts->cells.full_queue_steps * step_s;
}

/* Adds what was counted to a lesson; 0 if its totals are full. */
static __always_inline int learn_more(struct jsg_baseline *lesson)
{
	const struct jsg_counts *counts = &jsg_work.counts;

	/* Totals are 32 bits wide: a baseline that is so full is one. */
	if ((__u64)lesson->transitions + counts->transitions > JSG_U32_MAX ||
	    (__u64)lesson->exchanges + counts->exchanges > JSG_U32_MAX ||
	    (__u64)lesson->judged_socket_seconds + lesson->waiting_socket_seconds +
			    window_total(1) * step_seconds() >
		    JSG_U32_MAX)
		return 0;
	add_counts(lesson, 1, 1);
	return 1;
}

/* The bucket of ages that begins at JSG_OLD_S. */
#define OLD_AGE 4
JSG_ASSERT(JSG_OLD_S == 1 << (OLD_AGE - 1), "a bucket of ages begins there");

/*
 * Whether most sockets were old and silent, and more of them than an alert needs: an attack that
 * was there before the detector looks like this.
 */
static __always_inline int is_old_and_silent(const struct jsg_baseline *lesson)
{
	__u64 all = (__u64)lesson->judged_socket_seconds + lesson->waiting_socket_seconds;
	__u64 old = 0;

	for (int phase = 0; phase < JSG_CELL_PHASES; phase++) {
		for (int age = OLD_AGE; age < JSG_AGES; age++)
			old += is_moving(phase)
				       ? 0
				       : lesson->occupancy_socket_seconds[phase * JSG_AGES + age];
	}
	return 2 * old > all && old >= (__u64)jsg_config.min_sockets * lesson->learned_s;
}

static __always_inline __u32 doubts_about(const struct jsg_baseline *lesson)
{
	return (is_old_and_silent(lesson) ? JSG_DOUBT_OLD_AND_SILENT : 0) |
	       (lesson->queue_full_s * (__u64)JSG_QUEUE_FULL_SHARE > lesson->learned_s
			? JSG_DOUBT_QUEUE_FULL
			: 0) |
	       (are_balanced(lesson->transition_counts) ? 0 : JSG_DOUBT_UNBALANCED);
}

/*
 * What the service is judged by from now on: the thresholds that were given, or else those that the
 * baseline's spread asks for, and the doubts about it, of which an empty one has none.
 */
static __always_inline void judge_by(struct jsg_service *service,
				     const struct jsg_baseline *baseline)
{
	__u32 transitions = jsg_config.transition_threshold_nanobits;
	__u32 occupancy = jsg_config.occupancy_threshold_nanobits;

	if (!transitions)
		transitions = jsg_threshold_of_spread(&baseline->spread[JSG_TRANSITIONS]);
	if (!occupancy)
		occupancy = jsg_threshold_of_spread(&baseline->spread[JSG_OCCUPANCY]);
	service->threshold_nanobits[JSG_TRANSITIONS] = transitions;
	service->threshold_nanobits[JSG_OCCUPANCY] = occupancy;
	service->doubts = doubts_about(baseline);
}

/* What was learned is the baseline from now on. */
static __always_inline void begin_to_guard(__u32 number, struct jsg_service *service,
					   const struct jsg_baseline *lesson)
{
	bpf_map_update_elem(&baselines, &number, lesson, BPF_ANY);
	judge_by(service, lesson);
	service->mode = JSG_GUARDING;
	service->relearning = 0;
	service->baselines_learned++;
}

/*
 * The window's divergences from what was learned outside it, once that is half of all: into the
 * spread. A lesson gathered at once has the window's steps, which are taken out; one gathered with
 * delay has not.
 */
__noinline int measure_spread(__u32 number)
{
	const struct jsg_service *service = bpf_map_lookup_elem(&services, &number);
	struct jsg_baseline *lesson = bpf_map_lookup_elem(&lessons, &number);
	struct jsg_baseline *outside = &jsg_work.normal;
	const struct jsg_counts *counts = &jsg_work.counts;
	__u32 steps = jsg_config.window_steps, least = jsg_config.learn_steps / 2;
	int has_window;

	if (least < steps)
		least = steps;
	if (!lesson || !service || service->sequence < steps)
		return 0;
	has_window = service->mode == JSG_LEARNING;
	if (service->learned_steps < least + (has_window ? steps : 0))
		return 0;
	count_between(number, service->sequence, service->sequence - steps);
	take_normal(number, 1);
	if (has_window)
		add_counts(outside, -1, steps);
	if (counts->transitions >= jsg_config.min_transitions && outside->transitions) {
		measure_transitions();
		jsg_spread_add(&lesson->spread[JSG_TRANSITIONS], jsg_work.transitions.js_nanobits);
	}
	if (window_total(1) && normal_total(0, 1)) {
		measure_occupancy(0, steps);
		jsg_spread_add(&lesson->spread[JSG_OCCUPANCY], jsg_work.occupancy.js_nanobits);
	}
	return 0;
}

/*
 * The step to be learned now, 0 for none. While learning the last one. While learning on, or anew,
 * the one jsg_learn_delay() ago, if it and all after it were fit, so that the beginning of an
 * attack is not learned.
 */
static __always_inline __u64 step_to_learn(const struct jsg_service *service)
{
	__u32 delay = jsg_learn_delay(jsg_config.window_steps);

	if (service->mode == JSG_LEARNING)
		return service->sequence;
	if ((service->mode == JSG_LEARNING_ON || service->relearning) &&
	    service->quiet_steps > delay)
		return service->sequence - delay;
	return 0;
}

/* Learns a step, if one is to be learned; whether it did. */
__noinline int learn(__u32 number)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &number);
	struct jsg_baseline *lesson = bpf_map_lookup_elem(&lessons, &number);
	__u64 step;

	if (!lesson || !service)
		return 0;
	step = step_to_learn(service);
	if (!step)
		return 0;
	count_between(number, step, step - 1);
	if (!learn_more(lesson))
		return 0;
	service->learned_steps++;
	return 1;
}

/* Goes on guard when time and traffic were enough. */
__noinline int end_learning(__u32 number)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &number);
	const struct jsg_baseline *lesson = bpf_map_lookup_elem(&lessons, &number);

	if (!lesson || !service || service->learned_steps < jsg_config.learn_steps)
		return 0;
	if (jsg_baseline_suffices(lesson, step_seconds()))
		begin_to_guard(number, service, lesson);
	else if (service->mode == JSG_LEARNING)
		service->mode = JSG_LEARNING_ON;
	return 0;
}

/*
 * Begins to learn anew if that was asked for. What was learned stays in force until then; a service
 * without a baseline begins its learning again.
 */
static __always_inline void take_up_request(__u32 number, struct jsg_service *service)
{
	__u32 zero = 0;
	const struct jsg_requests *asked = bpf_map_lookup_elem(&requests, &zero);

	if (!asked || asked->relearn == service->relearn_request)
		return;
	service->relearn_request = asked->relearn;
	service->relearning = service->mode == JSG_GUARDING;
	service->learned_steps = 0;
	service->quiet_steps = 0;
	bpf_map_update_elem(&lessons, &number, &nothing_learned, BPF_ANY);
}

#endif
