/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kernel_replay.c: the kernel's code for a service step, compiled for user space. */
#include <stdlib.h>

#include "kernel/native/native_state.h"

/* Steps since the last missing window, at most as many as a window has. By service ID. */
static __u32 steps_since_gap[JSG_SERVICE_ENTRIES];

#include "kernel/learning.bpf.h"

/* A pending baseline does not contain missing steps, so they cannot be subtracted from it. */
static int measure_learned_spread(__u32 service_id)
{
	return steps_since_gap[service_id] < jsg_config.window_steps ? 0
								     : measure_spread(service_id);
}
#define measure_spread measure_learned_spread
#include "kernel/service_step.bpf.h"
#undef measure_spread

/* Steps up to now whose readings are known, at most as many as are kept. By service ID. */
static __u32 known_steps[JSG_SERVICE_ENTRIES];

#define EMPTY(array) memset(array, 0, sizeof(array))

int kernel_replay_begin(const struct jsg_config *config, kernel_replay_alert_handler *handler,
			void *context)
{
	jsg_config = *config;
	jsg_config.cpus = 1;
	jsg_config.readings_per_service = jsg_readings_needed(config->window_steps);
	alerts.handler = handler;
	alerts.context = context;

	free(readings.values);
	readings.entries = JSG_SERVICE_ENTRIES * jsg_config.readings_per_service;
	readings.values = calloc(readings.entries, readings.value_size);
	if (!readings.values) {
		readings.entries = 0;
		return -1;
	}
	EMPTY(counters_values);
	EMPTY(services_values);
	EMPTY(pending_baselines_values);
	EMPTY(baselines_values);
	EMPTY(control_values);
	EMPTY(stats_values);
	EMPTY(windows_values);
	EMPTY(jsg_step_samples);
	EMPTY(jsg_service_of_port);
	EMPTY(known_steps);
	EMPTY(steps_since_gap);
	memset(&jsg_work, 0, sizeof(jsg_work));
	jsg_alert_number = 0;
	jsg_unix_offset_ns = 0;
	jsg_sample_weight = 1;
	return 0;
}

/* Sets older to newer less what was counted between them. */
static void set_older(struct jsg_reading *older, const struct jsg_reading *newer,
		      const __u32 *transitions, const __u32 *occupancy, __u32 answers,
		      __u32 full_queue_steps)
{
	for (int cell = 0; cell < JSG_TRANSITION_CELLS; cell++)
		older->transitions[cell] = newer->transitions[cell] - transitions[cell];
	for (int cell = 0; cell < JSG_PHASE_CELLS; cell++)
		older->occupancy[cell] = newer->occupancy[cell] - occupancy[cell];
	older->answers = newer->answers - answers;
	older->full_queue_steps = newer->full_queue_steps - full_queue_steps;
}

/* The smaller of a number and a maximum. */
static __u32 limited(__u64 number, __u32 max)
{
	return number < max ? (__u32)number : max;
}

/* The number of steps up to sequence whose readings are kept. */
static __u32 steps_kept(__u64 sequence)
{
	return limited(sequence, jsg_config.readings_per_service - 1);
}

void kernel_replay_set_service(__u32 service_id, const struct jsg_service *service,
			       const struct jsg_baseline *baseline,
			       const struct jsg_baseline *pending,
			       const struct jsg_reading *history, __u32 steps)
{
	struct jsg_service *own = &services_values[service_id];
	const __u32 kept = steps_kept(service->sequence);

	kernel_replay_clear(service_id);
	*own = *service;
	own->pinned = 1; /* the recording shows how long the port kept its entry */
	own->untracked_sockets = 0; /* the record's sockets contain them */
	own->untracked_opened = 0;
	own->untracked_closed = 0;
	if (baseline)
		baselines_values[service_id] = *baseline;
	if (pending)
		pending_baselines_values[service_id] = *pending;
	for (int signal = 0; signal < JSG_SIGNALS; signal++)
		if (own->alerts[signal].number > jsg_alert_number)
			jsg_alert_number = own->alerts[signal].number;

	/* The counters begin at 0, so earlier readings are below 0, modulo 2^32. */
	known_steps[service_id] = steps < kept ? steps : kept;
	/* Steps before the history cannot be learned late, so they do not count as quiet. */
	if (known_steps[service_id] < jsg_learn_delay(jsg_config.window_steps))
		own->quiet_steps = limited(own->quiet_steps, known_steps[service_id]);
	steps_since_gap[service_id] = jsg_config.window_steps;
	memset(reading_of(service_id, service->sequence), 0, sizeof(struct jsg_reading));
	for (__u32 ago = 0; ago < kept; ago++) {
		const struct jsg_reading *newer = reading_of(service_id, service->sequence - ago);
		struct jsg_reading *older = reading_of(service_id, service->sequence - ago - 1);

		*older = *newer;
		if (ago < steps) {
			const struct jsg_reading *step = &history[steps - 1 - ago];

			set_older(older, newer, step->transitions, step->occupancy, step->answers,
				  step->full_queue_steps);
		}
	}
}

void kernel_replay_clear(__u32 service_id)
{
	memset(&services_values[service_id], 0, sizeof(services_values[service_id]));
	memset(&baselines_values[service_id], 0, sizeof(baselines_values[service_id]));
	memset(&pending_baselines_values[service_id], 0,
	       sizeof(pending_baselines_values[service_id]));
	memset(&counters_values[service_id], 0, sizeof(counters_values[service_id]));
	memset(&jsg_step_samples[service_id], 0, sizeof(jsg_step_samples[service_id]));
	known_steps[service_id] = 0;
}

/* The number of sampled sockets. The record has it as a share, rounded down. */
static __u32 sampled(const struct jsg_window *record)
{
	return (__u32)(((__u64)record->sampled_ppm * record->sockets + 999999) / 1000000);
}

/* Puts a step's counts and samples into the variables that a service step reads. */
static void put_step(__u32 service_id, const struct kernel_replay_step *step)
{
	const struct jsg_window *record = step->record;
	struct jsg_step_samples *samples = step_samples_of(service_id);

	for (int cell = 0; cell < JSG_TRANSITION_CELLS; cell++)
		counters_values[service_id].transitions[cell] += step->counted->transitions[cell];
	for (int cell = 0; cell < JSG_PHASE_CELLS; cell++)
		samples->occupancy[cell] += step->counted->occupancy[cell];
	samples->answers += step->counted->answers;
	/* The service step itself adds a step with a full queue. */
	samples->full_queue_steps += step->counted->full_queue_steps - (record->full_queues != 0);
	samples->sockets = record->sockets;
	samples->sampled = sampled(record);
	samples->idle = record->idle_sockets;
	samples->waiting = record->waiting_sockets;
	samples->open_requests = record->open_requests;
	samples->listeners = step->listeners;
	samples->full_queues = record->full_queues;
	jsg_sample_weight = record->sample_weight;
	jsg_unix_offset_ns = (__s64)(record->end_unix_ms * NS_IN_MS - record->end_ns);
}

/* If the reading at the window's start is not known, computes it from the window's counts. */
static void repair_window(__u32 service_id, const struct kernel_replay_step *step)
{
	const __u64 sequence = step->record->sequence;
	const __u32 steps = limited(sequence, jsg_config.window_steps);
	const __u32 accepted =
		step->transitions[jsg_transition_cell(JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED)];
	struct jsg_reading newer;

	if (known_steps[service_id] >= steps)
		return;
	for (int cell = 0; cell < JSG_TRANSITION_CELLS; cell++)
		newer.transitions[cell] = counters_values[service_id].transitions[cell];
	memcpy(newer.occupancy, jsg_step_samples[service_id].occupancy, sizeof(newer.occupancy));
	newer.answers = jsg_step_samples[service_id].answers;
	newer.full_queue_steps = jsg_step_samples[service_id].full_queue_steps;
	set_older(reading_of(service_id, sequence - steps), &newer, step->transitions,
		  step->occupancy, step->record->exchanges - accepted, 0);
}

void kernel_replay_service_step(__u32 service_id, const struct kernel_replay_step *step)
{
	put_step(service_id, step);
	if (known_steps[service_id] < steps_kept(step->record->sequence))
		known_steps[service_id]++;
	if (steps_since_gap[service_id] < jsg_config.window_steps)
		steps_since_gap[service_id]++;
	repair_window(service_id, step);
	/* All services share one request number, but each service was asked in its own step. */
	control_values[0].relearn = services_values[service_id].relearn_request + step->relearn;
	service_step(service_id, step->record->end_ns);
}

void kernel_replay_skip(__u32 service_id, __u64 skipped)
{
	struct jsg_service *service = &services_values[service_id];
	const struct jsg_reading last = *reading_of(service_id, service->sequence);

	service->sequence += skipped;
	service->quiet_steps = 0;
	known_steps[service_id] = 0;
	steps_since_gap[service_id] = 0;
	for (__u32 ago = 0; ago <= steps_kept(service->sequence) && ago < skipped; ago++)
		*reading_of(service_id, service->sequence - ago) = last;
}

void kernel_replay_bring_in_force(__u32 service_id, const struct jsg_baseline *baseline)
{
	begin_monitoring(service_id, &services_values[service_id], baseline);
}

const struct jsg_window *kernel_replay_window(__u32 service_id)
{
	return &windows_values[service_id];
}

const struct jsg_service *kernel_replay_service(__u32 service_id)
{
	return &services_values[service_id];
}

const struct jsg_baseline *kernel_replay_baseline(__u32 service_id)
{
	return &baselines_values[service_id];
}

const struct jsg_baseline *kernel_replay_pending_baseline(__u32 service_id)
{
	return &pending_baselines_values[service_id];
}

__u32 kernel_replay_known_steps(__u32 service_id)
{
	return known_steps[service_id];
}

void kernel_replay_past_step(__u32 service_id, __u32 ago, struct jsg_reading *counted)
{
	const __u64 sequence = services_values[service_id].sequence;
	const struct jsg_reading *older = reading_of(service_id, sequence - ago - 1);

	set_older(counted, reading_of(service_id, sequence - ago), older->transitions,
		  older->occupancy, older->answers, older->full_queue_steps);
}
