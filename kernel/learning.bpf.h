/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* learning.bpf.h: learns a service's pending baseline and puts it in force; relearns on request. */
#ifndef JSG_LEARNING_BPF_H
#define JSG_LEARNING_BPF_H

#include "services.bpf.h"
#include "spread.h"

/* Adds what was counted in this many steps. Sign -1: subtracts it. */
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

/* Adds what was counted to a pending baseline. Returns 0 if one of its 32-bit totals is full. */
static __always_inline int learn_more(struct jsg_baseline *pending)
{
	const struct jsg_counts *counts = &jsg_work.counts;

	if ((__u64)pending->transitions + counts->transitions > JSG_U32_MAX ||
	    (__u64)pending->exchanges + counts->exchanges > JSG_U32_MAX ||
	    (__u64)pending->judged_socket_seconds + pending->waiting_socket_seconds +
			    window_total(1) * step_seconds() >
		    JSG_U32_MAX)
		return 0;
	add_counts(pending, 1, 1);
	return 1;
}

/*
 * Learns the time in which the port had a listener and no connection, and thus no entry: steps
 * without traffic, as if the entry had been there. If that was the whole first learning time, the
 * first connections are judged. A port that was refused an entry had connections in that time.
 */
static __always_inline void learn_silence(__u32 service_id, struct jsg_service *service)
{
	struct jsg_baseline *pending = bpf_map_lookup_elem(&pending_baselines, &service_id);
	__u32 steps = step_samples_of(service_id)->silent_ms / (step_seconds() * MS_IN_S);

	if (!pending || !steps || service->mode != JSG_LEARNING || service->learned_steps > 1 ||
	    jsg_port_refused[port_word(service->port)] & port_bit(service->port))
		return;
	if (steps > jsg_config.learn_steps)
		steps = jsg_config.learn_steps;
	pending->learned_s += steps * step_seconds();
	service->learned_steps += steps;
	if (service->learned_steps >= jsg_config.learn_steps)
		service->mode = JSG_STILL_LEARNING;
}

/* The first age bucket from JSG_OLD_S on. */
#define OLD_AGE 4
JSG_ASSERT(JSG_OLD_S == 1 << (OLD_AGE - 1), "a bucket of ages begins at JSG_OLD_S");

/*
 * Whether most sockets were old and stalled, and more of them than an alert needs. An attack that
 * began before the detector looks like this.
 */
static __always_inline int is_old_and_stalled(const struct jsg_baseline *pending)
{
	__u64 all = (__u64)pending->judged_socket_seconds + pending->waiting_socket_seconds;
	__u64 old = 0;

	for (int phase = 0; phase < JSG_CELL_PHASES; phase++) {
		for (int age = OLD_AGE; age < JSG_AGES; age++)
			old += is_moving(phase)
				       ? 0
				       : pending->occupancy_socket_seconds[phase * JSG_AGES + age];
	}
	return 2 * old > all && old >= (__u64)jsg_config.min_sockets * pending->learned_s;
}

static __always_inline __u32 warnings_about(const struct jsg_baseline *baseline)
{
	return (is_old_and_stalled(baseline) ? JSG_WARN_OLD_AND_STALLED : 0) |
	       (baseline->queue_full_s * (__u64)JSG_QUEUE_FULL_SHARE > baseline->learned_s
			? JSG_WARN_QUEUE_FULL
			: 0) |
	       (are_balanced(baseline->transition_counts) ? 0 : JSG_WARN_UNBALANCED);
}

/*
 * Sets what the service is judged by: the configured thresholds, or else those that the baseline's
 * spread gives, and the warnings about the baseline. An empty baseline has no warnings.
 */
static __always_inline void set_thresholds(struct jsg_service *service,
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
	service->warnings = warnings_about(baseline);
}

/* Puts the pending baseline in force. */
static __always_inline void begin_monitoring(__u32 service_id, struct jsg_service *service,
					     const struct jsg_baseline *pending)
{
	bpf_map_update_elem(&baselines, &service_id, pending, BPF_ANY);
	set_thresholds(service, pending);
	service->mode = JSG_MONITORING;
	service->relearning = 0;
	service->baselines_learned++;
}

/*
 * Adds the window's divergences from what was learned outside the window to the spread. Begins when
 * half of the learning time was learned outside the window. In the first learning time, the pending
 * baseline contains the window's steps, so they are subtracted. A pending baseline that learns
 * steps late does not contain them.
 */
__noinline int measure_spread(__u32 service_id)
{
	const struct jsg_service *service = bpf_map_lookup_elem(&services, &service_id);
	struct jsg_baseline *pending = bpf_map_lookup_elem(&pending_baselines, &service_id);
	struct jsg_baseline *outside = &jsg_work.normal;
	const struct jsg_counts *counts = &jsg_work.counts;
	__u32 steps = jsg_config.window_steps, min_steps = jsg_config.learn_steps / 2;
	int has_window;

	if (min_steps < steps)
		min_steps = steps;
	if (!pending || !service || service->sequence < steps)
		return 0;
	has_window = service->mode == JSG_LEARNING;
	if (service->learned_steps < min_steps + (has_window ? steps : 0))
		return 0;
	count_between(service_id, service->sequence, service->sequence - steps);
	load_normal(service_id, 1);
	if (has_window)
		add_counts(outside, -1, steps);
	if (counts->transitions >= jsg_config.min_transitions && outside->transitions) {
		measure_transitions();
		jsg_spread_add(&pending->spread[JSG_TRANSITIONS],
			       jsg_work.signal[JSG_TRANSITIONS].js_nanobits);
	}
	if (window_total(1) && normal_total(0, 1)) {
		measure_occupancy(0, steps);
		jsg_spread_add(&pending->spread[JSG_OCCUPANCY],
			       jsg_work.signal[JSG_OCCUPANCY].js_nanobits);
	}
	return 0;
}

/*
 * The sequence number of the step to learn now, or 0. In the first learning time that is the last
 * step. Later it is the step jsg_learn_delay() ago, if that step and all steps after it were quiet.
 * So the beginning of an attack is not learned.
 */
static __always_inline __u64 step_to_learn(const struct jsg_service *service)
{
	__u32 delay = jsg_learn_delay(jsg_config.window_steps);

	if (service->mode == JSG_LEARNING)
		return service->sequence;
	if ((service->mode == JSG_STILL_LEARNING || service->relearning) &&
	    service->quiet_steps > delay)
		return service->sequence - delay;
	return 0;
}

/* Learns a step, if there is one to learn. Returns whether it did. */
__noinline int learn(__u32 service_id)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &service_id);
	struct jsg_baseline *pending = bpf_map_lookup_elem(&pending_baselines, &service_id);
	__u64 step;

	if (!pending || !service)
		return 0;
	step = step_to_learn(service);
	if (!step)
		return 0;
	count_between(service_id, step, step - 1);
	if (!learn_more(pending))
		return 0;
	service->learned_steps++;
	return 1;
}

/* Ends the learning when there was enough time and enough traffic. */
__noinline int end_learning(__u32 service_id)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &service_id);
	const struct jsg_baseline *pending = bpf_map_lookup_elem(&pending_baselines, &service_id);

	if (!pending || !service || service->learned_steps < jsg_config.learn_steps)
		return 0;
	if (jsg_baseline_suffices(pending, step_seconds()))
		begin_monitoring(service_id, service, pending);
	else if (service->mode == JSG_LEARNING)
		service->mode = JSG_STILL_LEARNING;
	return 0;
}

/*
 * Begins to relearn if another program asked for it. The baseline stays in force until the new one
 * is complete. A service without a baseline begins its learning again.
 */
static __always_inline void take_up_relearning(__u32 service_id, struct jsg_service *service)
{
	__u32 zero = 0;
	const struct jsg_control *asked = bpf_map_lookup_elem(&control, &zero);

	if (!asked || asked->relearn == service->relearn_request)
		return;
	service->relearn_request = asked->relearn;
	service->relearning = service->mode == JSG_MONITORING;
	service->learned_steps = 0;
	service->quiet_steps = 0;
	bpf_map_update_elem(&pending_baselines, &service_id, &empty_baseline, BPF_ANY);
}

#endif
