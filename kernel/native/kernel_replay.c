/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* kernel_replay.c: the kernel's code for a service's turn, in user space. */
#include <stdlib.h>

#include "kernel/native/native_state.h"

/* Steps since windows were missing, by place; no more than a window has. */
static __u32 steps_since_gap[JSG_SERVICE_PLACES];

#include "kernel/learning.bpf.h"

/* A lesson never got the steps that are missing, so they cannot be taken out of it. */
static int measure_learned_spread(__u32 number)
{
	return steps_since_gap[number] < jsg_config.window_steps ? 0 : measure_spread(number);
}
#define measure_spread measure_learned_spread
#include "kernel/service.bpf.h"
#undef measure_spread

/* Steps up to now whose readings are known, by place; no more than the readings that are kept. */
static __u32 known_steps[JSG_SERVICE_PLACES];

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
	readings.entries = JSG_SERVICE_PLACES * jsg_config.readings_per_service;
	readings.values = calloc(readings.entries, readings.value_size);
	if (!readings.values) {
		readings.entries = 0;
		return -1;
	}
	EMPTY(counters_values);
	EMPTY(services_values);
	EMPTY(lessons_values);
	EMPTY(baselines_values);
	EMPTY(requests_values);
	EMPTY(stats_values);
	EMPTY(windows_values);
	EMPTY(jsg_found);
	EMPTY(jsg_service_of_port);
	EMPTY(jsg_port_claimed);
	EMPTY(known_steps);
	EMPTY(steps_since_gap);
	memset(&jsg_work, 0, sizeof(jsg_work));
	jsg_alert_number = 0;
	jsg_unix_offset_ns = 0;
	jsg_sample_weight = 1;
	return 0;
}

/* newer, less what was counted after older. */
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

static __u32 at_most(__u64 number, __u32 most)
{
	return number < most ? (__u32)number : most;
}

/* Those between which a step is, of the last ones up to sequence. */
static __u32 steps_kept(__u64 sequence)
{
	return at_most(sequence, jsg_config.readings_per_service - 1);
}

void kernel_replay_set_service(__u32 place, const struct jsg_service *service,
			       const struct jsg_baseline *baseline,
			       const struct jsg_baseline *lesson, const struct jsg_reading *history,
			       __u32 steps)
{
	struct jsg_service *own = &services_values[place];
	const __u32 kept = steps_kept(service->sequence);

	kernel_replay_clear(place);
	*own = *service;
	own->stays = 1; /* how long the port kept its place is the recording's */
	own->untracked_sockets = 0; /* they are among those of the record */
	own->untracked_opened = 0;
	own->untracked_closed = 0;
	if (baseline)
		baselines_values[place] = *baseline;
	if (lesson)
		lessons_values[place] = *lesson;
	for (int signal = 0; signal < JSG_SIGNALS; signal++)
		if (own->alerts[signal].number > jsg_alert_number)
			jsg_alert_number = own->alerts[signal].number;

	/* The counters begin at 0, so readings from before are below that, modulo 2^32. */
	known_steps[place] = steps < kept ? steps : kept;
	/* Nothing is learned late from before the history. */
	if (known_steps[place] < jsg_learn_delay(jsg_config.window_steps))
		own->quiet_steps = at_most(own->quiet_steps, known_steps[place]);
	steps_since_gap[place] = jsg_config.window_steps;
	memset(reading_of(place, service->sequence), 0, sizeof(struct jsg_reading));
	for (__u32 ago = 0; ago < kept; ago++) {
		const struct jsg_reading *newer = reading_of(place, service->sequence - ago);
		struct jsg_reading *older = reading_of(place, service->sequence - ago - 1);

		*older = *newer;
		if (ago < steps) {
			const struct jsg_reading *step = &history[steps - 1 - ago];

			set_older(older, newer, step->transitions, step->occupancy, step->answers,
				  step->full_queue_steps);
		}
	}
}

void kernel_replay_clear(__u32 place)
{
	memset(&services_values[place], 0, sizeof(services_values[place]));
	memset(&baselines_values[place], 0, sizeof(baselines_values[place]));
	memset(&lessons_values[place], 0, sizeof(lessons_values[place]));
	memset(&counters_values[place], 0, sizeof(counters_values[place]));
	memset(&jsg_found[place], 0, sizeof(jsg_found[place]));
	known_steps[place] = 0;
}

/* Sockets looked at, of which the record has the share, rounded down. */
static __u32 looked_at(const struct jsg_window *record)
{
	return (__u32)(((__u64)record->looked_at_ppm * record->sockets + 999999) / 1000000);
}

/* Puts what a step counted and its looks found where the kernel has it before the turn. */
static void put_step(__u32 place, const struct kernel_replay_step *step)
{
	const struct jsg_window *record = step->record;
	struct jsg_found *found = found_of(place);

	for (int cell = 0; cell < JSG_TRANSITION_CELLS; cell++)
		counters_values[place].transitions[cell] += step->counted->transitions[cell];
	for (int cell = 0; cell < JSG_PHASE_CELLS; cell++)
		found->occupancy[cell] += step->counted->occupancy[cell];
	found->answers += step->counted->answers;
	/* The turn adds the step with a full queue itself. */
	found->full_queue_steps += step->counted->full_queue_steps - (record->full_queues != 0);
	found->sockets = record->sockets;
	found->looked_at = looked_at(record);
	found->idle = record->idle_sockets;
	found->waiting = record->waiting_sockets;
	found->open_requests = record->open_requests;
	found->listeners = step->listeners;
	found->full_queues = record->full_queues;
	jsg_sample_weight = record->sample_weight;
	jsg_unix_offset_ns = (__s64)(record->end_unix_ms * NS_IN_MS - record->end_ns);
}

/* The reading at the window's start, where it is not known, is what makes the window's counts. */
static void repair_window(__u32 place, const struct kernel_replay_step *step)
{
	const __u64 sequence = step->record->sequence;
	const __u32 steps = at_most(sequence, jsg_config.window_steps);
	const __u32 accepted =
		step->transitions[jsg_transition_cell(JSG_TCP_SYN_RECV, JSG_TCP_ESTABLISHED)];
	struct jsg_reading newer;

	if (known_steps[place] >= steps)
		return;
	for (int cell = 0; cell < JSG_TRANSITION_CELLS; cell++)
		newer.transitions[cell] = counters_values[place].transitions[cell];
	memcpy(newer.occupancy, jsg_found[place].occupancy, sizeof(newer.occupancy));
	newer.answers = jsg_found[place].answers;
	newer.full_queue_steps = jsg_found[place].full_queue_steps;
	set_older(reading_of(place, sequence - steps), &newer, step->transitions, step->occupancy,
		  step->record->exchanges - accepted, 0);
}

void kernel_replay_turn(__u32 place, const struct kernel_replay_step *step)
{
	put_step(place, step);
	if (known_steps[place] < steps_kept(step->record->sequence))
		known_steps[place]++;
	if (steps_since_gap[place] < jsg_config.window_steps)
		steps_since_gap[place]++;
	repair_window(place, step);
	/* One request is there for all services, but each takes it up in its own turn. */
	requests_values[0].relearn = services_values[place].relearn_request + step->relearn;
	service_turn(place, step->record->end_ns);
}

void kernel_replay_skip(__u32 place, __u64 skipped)
{
	struct jsg_service *service = &services_values[place];
	const struct jsg_reading last = *reading_of(place, service->sequence);

	service->sequence += skipped;
	service->quiet_steps = 0;
	known_steps[place] = 0;
	steps_since_gap[place] = 0;
	for (__u32 ago = 0; ago <= steps_kept(service->sequence) && ago < skipped; ago++)
		*reading_of(place, service->sequence - ago) = last;
}

void kernel_replay_bring_in_force(__u32 place, const struct jsg_baseline *baseline)
{
	begin_to_guard(place, &services_values[place], baseline);
}

const struct jsg_window *kernel_replay_window(__u32 place)
{
	return &windows_values[place];
}

const struct jsg_service *kernel_replay_service(__u32 place)
{
	return &services_values[place];
}

const struct jsg_baseline *kernel_replay_baseline(__u32 place)
{
	return &baselines_values[place];
}

const struct jsg_baseline *kernel_replay_lesson(__u32 place)
{
	return &lessons_values[place];
}

__u32 kernel_replay_known_steps(__u32 place)
{
	return known_steps[place];
}

void kernel_replay_past_step(__u32 place, __u32 ago, struct jsg_reading *counted)
{
	const __u64 sequence = services_values[place].sequence;
	const struct jsg_reading *older = reading_of(place, sequence - ago - 1);

	set_older(counted, reading_of(place, sequence - ago), older->transitions, older->occupancy,
		  older->answers, older->full_queue_steps);
}
