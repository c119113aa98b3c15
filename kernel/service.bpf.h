/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* service.bpf.h: a service's turn: close a window, judge it, raise or clear, publish, learn. */
#ifndef JSG_SERVICE_BPF_H
#define JSG_SERVICE_BPF_H

#include "alert.bpf.h"
#include "learning.bpf.h"

/* An unused port gives its place back after so long. */
#define LEAVE_AFTER_NS (60 * NS_IN_S)

__u64 jsg_alert_number; /* of the last alert raised */

static __always_inline __u64 unix_ms(__u64 now_ns)
{
	return (now_ns + jsg_unix_offset_ns) / NS_IN_MS;
}

/* Takes the verdict on one signal into account, and sends the alert that it raises or clears. */
__noinline int decide(__u32 number, enum jsg_signal signal, enum jsg_verdict verdict)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &number);
	const struct jsg_window *record = &jsg_work.record;
	struct jsg_alert_track *track;
	enum jsg_change change;
	__u64 raised_ns;

	if (!service || signal >= JSG_SIGNALS)
		return 0;
	if (verdict == JSG_NOT_ENOUGH_TRAFFIC)
		COUNT(not_enough_traffic, 1);
	track = &service->alerts[signal];
	raised_ns = track->raised_ns;
	change = jsg_track(track, &jsg_config, verdict, js_of(signal), record->end_ns,
			   record->end_unix_ms);
	if (change == JSG_NO_CHANGE)
		return 0;
	if (change == JSG_RAISED) {
		track->number = ++jsg_alert_number;
		COUNT(alerts, 1);
	}
	send_alert(number, signal, change == JSG_RAISED ? JSG_RAISE : JSG_CLEAR,
		   change == JSG_RAISED ? 0 : record->end_ns - raised_ns);
	return 0;
}

/* Measures the window's transitions, and judges them by the service's own baseline alone. */
static __always_inline void judge_transitions(const struct jsg_service *service)
{
	struct jsg_window *record = &jsg_work.record;
	const struct jsg_distance *distance = &jsg_work.transitions;
	const struct jsg_counts *counts = &jsg_work.counts;
	struct jsg_bounds bounds = {.threshold = service->threshold_nanobits[JSG_TRANSITIONS]};

	measure_states();
	measure_transitions();
	record->transition_entropy_nanobits = distance->entropy_nanobits;
	record->transition_verdict = JSG_NOT_JUDGED;
	if (service->mode != JSG_GUARDING)
		return;
	record->transition_js_nanobits = bounds.js = distance->js_nanobits;
	record->transition_kl_nanobits = distance->kl_nanobits;
	record->transition_chance_nanobits = bounds.chance = distance->chance_nanobits;
	record->transition_verdict =
		jsg_judge_transitions(&jsg_config, counts->transitions,
				      are_balanced(counts->cells.transitions) &&
					      are_balanced(jsg_work.normal.transition_counts),
				      bounds);
}

/*
 * Measures the window's occupancy and judges it. The cells that it has too much of are those whose
 * sources the next looks count.
 */
static __always_inline void judge_occupancy(__u32 number, const struct jsg_service *service,
					    __u32 steps)
{
	struct jsg_window *record = &jsg_work.record;
	const struct jsg_distance *distance = &jsg_work.occupancy;
	struct jsg_bounds bounds = {.threshold = service->threshold_nanobits[JSG_OCCUPANCY]};

	measure_occupancy(service->mode == JSG_LEARNING_ON, steps);
	record->open_millisockets = distance->sockets.open;
	record->expected_millisockets = distance->sockets.expected;
	record->excess_millisockets = distance->sockets.excess;
	record->held_millisockets = distance->sockets.held;
	record->held_excess_millisockets = distance->sockets.held_excess;
	record->with_waiting = distance->with_waiting;
	record->occupancy_js_nanobits = bounds.js = distance->js_nanobits;
	record->occupancy_kl_nanobits = distance->kl_nanobits;
	record->occupancy_chance_nanobits = bounds.chance = distance->chance_nanobits;
	record->occupancy_verdict = jsg_judge_occupancy(&jsg_config, &distance->sockets, bounds);
	found_of(number)->deviating_cells = distance->sockets.excess || bounds.js > bounds.threshold
						    ? distance->deviating_cells
						    : 0;
}

/* Measures the window and judges it, unless the service is still learning. */
__noinline int judge(__u32 number, __u32 steps)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &number);
	struct jsg_window *record = &jsg_work.record;
	int over;

	if (!service)
		return 0;
	take_normal(number, 0);
	judge_transitions(service);
	record->occupancy_verdict = JSG_NOT_JUDGED;
	if (service->mode == JSG_LEARNING)
		return 0;
	judge_occupancy(number, service, steps);
	decide(number, JSG_TRANSITIONS, record->transition_verdict);
	decide(number, JSG_OCCUPANCY, record->occupancy_verdict);

	/* What is learned anew may well be over the old threshold. */
	over = service->mode == JSG_LEARNING_ON && record->occupancy_verdict == JSG_OVER;
	service->quiet_steps = over || jsg_alert_is_up(service) ? 0 : service->quiet_steps + 1;
	return 0;
}

/* The sources that were counted in the last step: kept for an alert, and begun anew. */
static __always_inline void report_sources(struct jsg_found *found)
{
	struct jsg_sources *sources = &found->sources;

	sources->top_count =
		sources->distinct < JSG_TOP_SOURCES ? sources->distinct : JSG_TOP_SOURCES;
	jsg_work.sources = *sources;
	__builtin_memset(sources, 0, sizeof(*sources));
	found->pass++;
}

/* What the looks of the last step found: into the record, and begun anew for the next step. */
static __always_inline void report_found(__u32 number, struct jsg_service *service, __u64 now_ns)
{
	struct jsg_window *record = &jsg_work.record;
	struct jsg_found *found = found_of(number);
	__s64 untracked = (__s64)service->untracked_sockets +
			  (__s64)(jsg_work.untracked_opened - service->untracked_opened) -
			  (__s64)(jsg_work.untracked_closed - service->untracked_closed);

	/* Those whose beginnings were missed close too, and must not count below nothing. */
	service->untracked_sockets = untracked > 0 ? (__u32)untracked : 0;
	service->untracked_opened = jsg_work.untracked_opened;
	service->untracked_closed = jsg_work.untracked_closed;
	service->sockets = found->sockets + service->untracked_sockets;
	service->listeners = found->listeners;
	if (service->sockets || service->listeners || found->closed || !service->last_used_ns)
		service->last_used_ns = now_ns;

	record->sockets = service->sockets;
	record->idle_sockets = found->idle;
	record->waiting_sockets = found->waiting;
	record->open_requests = found->open_requests;
	record->full_queues = found->full_queues;
	record->sample_weight = jsg_sample_weight;
	record->looked_at_ppm = 1000000;
	if (service->sockets)
		record->looked_at_ppm = (__u64)found->looked_at * 1000000 / service->sockets;
	found->sockets = 0;
	found->looked_at = 0;
	found->idle = 0;
	found->waiting = 0;
	found->open_requests = 0;
	found->listeners = 0;
	found->closed = 0;
	found->full_queues = 0;
	report_sources(found);
}

/* The sliding mean of the entropy of the states entered. */
static __always_inline void follow_trend(struct jsg_service *service)
{
	struct jsg_window *record = &jsg_work.record;
	__u32 place = service->sequence % JSG_TREND_WINDOWS;
	__u64 summed =
		service->sequence < JSG_TREND_WINDOWS ? service->sequence : JSG_TREND_WINDOWS;

	service->trend_sum_nanobits +=
		record->state_entropy_nanobits - service->trend_nanobits[place];
	service->trend_nanobits[place] = record->state_entropy_nanobits;
	record->state_entropy_trend_nanobits = service->trend_sum_nanobits / summed;
}

/* Puts the record into the ring of those that are kept. */
static __always_inline void publish(__u32 number, const struct jsg_service *service)
{
	struct jsg_window_key key = {.service = number,
				     .place = service->sequence % JSG_WINDOWS_KEPT};

	if (bpf_map_update_elem(&windows, &key, &jsg_work.record, BPF_ANY))
		COUNT(windows_lost, 1);
	COUNT(windows, 1);
}

/* One step of a service in use. */
__noinline int close_window(__u32 number, __u64 now_ns)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &number);
	struct jsg_window *record = &jsg_work.record;
	__u32 steps = jsg_config.window_steps;
	__u64 last;

	if (!service)
		return 0;
	last = ++service->sequence;
	if (last < steps)
		steps = last;
	take_reading(number, last);
	count_between(number, last, last - 1);
	COUNT(transitions, jsg_work.counts.transitions);
	count_between(number, last, last - steps);

	__builtin_memset(record, 0, sizeof(*record));
	record->sequence = last;
	record->end_ns = now_ns;
	record->end_unix_ms = unix_ms(now_ns);
	record->port = service->port;
	record->mode = service->mode;
	record->transitions = jsg_work.counts.transitions;
	record->exchanges = jsg_work.counts.exchanges;
	report_found(number, service, now_ns);
	judge(number, steps);
	follow_trend(service);
	record->transition_alert = service->alerts[JSG_TRANSITIONS].state;
	record->occupancy_alert = service->alerts[JSG_OCCUPANCY].state;
	publish(number, service);
	return 0;
}

/*
 * Whether the port has been without listener and socket for so long that its place may go to
 * another.
 */
static __always_inline int unused(const struct jsg_service *service, __u64 now_ns)
{
	return !service->stays && now_ns - service->last_used_ns > LEAVE_AFTER_NS &&
	       !jsg_alert_is_up(service);
}

/* Stops guarding the port; what is still under way to its counters has a step's time to arrive. */
static __always_inline void leave_port(struct jsg_service *service)
{
	__u32 port = service->port & (JSG_PORTS - 1);

	RELAXED_WRITE(jsg_service_of_port[port], 0);
	__sync_fetch_and_and(&jsg_port_claimed[port >> 6], ~(1ULL << (port & 63)));
	service->mode = JSG_LEAVING;
}

/*
 * Makes the place clean for the next port: reading 0 is what its counters stand at. The port goes
 * last.
 */
__noinline int clear_place(__u32 number)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &number);

	if (!service)
		return 0;
	take_reading(number, 0);
	service->untracked_opened = jsg_work.untracked_opened;
	service->untracked_closed = jsg_work.untracked_closed;
	bpf_map_update_elem(&baselines, &number, &nothing_learned, BPF_ANY);
	bpf_map_update_elem(&lessons, &number, &nothing_learned, BPF_ANY);
	found_of(number)->deviating_cells = 0;
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
	service->doubts = 0;
	service->quiet_steps = 0;
	service->listeners = 0;
	service->sockets = 0;
	service->untracked_sockets = 0;
	__sync_lock_test_and_set(&service->port, 0);
	return 0;
}

/* A service's first turn. What it may have from a file is in force already. */
static __always_inline void start_service(__u32 number, struct jsg_service *service, __u64 now_ns)
{
	const struct jsg_baseline *baseline = bpf_map_lookup_elem(&baselines, &number);

	service->started_ns = now_ns;
	if (service->mode == JSG_FREE)
		service->mode = JSG_LEARNING;
	if (baseline)
		judge_by(service, baseline);
}

/* The turn that every service has once a step. */
static __always_inline void service_turn(__u32 number, __u64 now_ns)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &number);

	if (!service || !service->port)
		return;
	if (service->mode == JSG_LEAVING) {
		clear_place(number);
		return;
	}
	if (!service->started_ns)
		start_service(number, service, now_ns);
	take_up_request(number, service);
	close_window(number, now_ns);
	if (learn(number)) {
		measure_spread(number);
		end_learning(number);
	}
	if (unused(service, now_ns))
		leave_port(service);
}

#endif
