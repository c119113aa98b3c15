/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* service.bpf.h: a service's turn: close a window, judge it, raise or clear, learn, publish. */
#ifndef JSG_SERVICE_BPF_H
#define JSG_SERVICE_BPF_H

#include "window.bpf.h"

/* An unused port gives its place back after so long. */
#define LEAVE_AFTER_NS (60 * NS_IN_S)

__u64 jsg_alert_number; /* of the last alert raised */

static __always_inline __u64 unix_ms(__u64 now_ns)
{
	return (now_ns + jsg_unix_offset_ns) / NS_IN_MS;
}

static __always_inline void learn_more(struct jsg_baseline *baseline)
{
	const struct jsg_counts *counts = &jsg_work.counts;
	__u32 step_s = step_seconds();

	/* Totals are 32 bits wide: a baseline that is so full is one. */
	if ((__u64)baseline->transitions + counts->transitions > JSG_U32_MAX ||
	    (__u64)baseline->exchanges + counts->exchanges > JSG_U32_MAX ||
	    (__u64)baseline->judged_socket_seconds + baseline->waiting_socket_seconds +
			    ((__u64)counts->judged + counts->waiting) * step_s >
		    JSG_U32_MAX)
		return;
	for (int cell = 0; cell < JSG_TRANSITION_CELLS; cell++)
		baseline->transition_counts[cell] += counts->cells.transitions[cell];
	for (int cell = 0; cell < JSG_PHASE_CELLS; cell++)
		baseline->occupancy_socket_seconds[cell] += counts->cells.occupancy[cell] * step_s;
	baseline->transitions += counts->transitions;
	baseline->exchanges += counts->exchanges;
	baseline->judged_socket_seconds += counts->judged * step_s;
	baseline->waiting_socket_seconds += counts->waiting * step_s;
	baseline->learned_s += step_s;
}

/*
 * Learns from the last step while learning; while learning on, from the step JSG_LEARN_DELAY_STEPS
 * ago, if neither it nor any after it was over a threshold and no alert is up.
 */
__noinline int learn(__u32 number)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &number);
	struct jsg_baseline *baseline = bpf_map_lookup_elem(&baselines, &number);
	__u64 step = 0;

	if (!baseline || !service)
		return 0;
	if (service->mode == JSG_LEARNING)
		step = service->sequence;
	else if (service->mode == JSG_LEARNING_ON && service->quiet_steps > JSG_LEARN_DELAY_STEPS)
		step = service->sequence - JSG_LEARN_DELAY_STEPS;
	if (!step)
		return 0;
	count_between(number, step, step - 1);
	learn_more(baseline);
	service->learned_steps++;
	if (service->learned_steps >= jsg_config.learn_steps) {
		if (jsg_baseline_complete(baseline))
			service->mode = JSG_GUARDING;
		else if (service->mode == JSG_LEARNING)
			service->mode = JSG_LEARNING_ON;
	}
	return 0;
}

/* The walk that picks the cells that speak for an alert. */
struct jsg_picking {
	struct jsg_comparison comparison;
	__u32 count;
};

/* Keeps a cell if it is among the largest; top is sorted by part, the largest first. */
static __always_inline void pick(struct jsg_picking *picking, struct jsg_top_cell cell)
{
	for (int i = 0; i < JSG_TOP_CELLS; i++) {
		struct jsg_top_cell *top = &jsg_work.alert.top[i];
		struct jsg_top_cell smaller = *top;

		if (cell.nanobits <= smaller.nanobits)
			continue;
		*top = cell;
		cell = smaller;
	}
	if (picking->count < JSG_TOP_CELLS)
		picking->count++;
}

/* A bpf_loop callback over the loaded histograms. */
static long pick_cell(__u32 index, void *context)
{
	struct jsg_picking *picking = context;
	struct jsg_top_cell cell = {.cell = index};
	__u64 p_q48, q_q48;

	if (index >= JSG_CELLS_MAX)
		return 1;
	p_q48 = jsg_probability_q48(jsg_work.p[index], picking->comparison.p_total);
	q_q48 = jsg_comparison_q_q48(&picking->comparison, jsg_work.q[index]);
	cell.nanobits = jsg_js_nanobits(jsg_js_part_q55(p_q48, q_q48));
	cell.window_ppb = jsg_probability_nano(p_q48);
	cell.baseline_ppb = jsg_probability_nano(q_q48);
	if (cell.nanobits)
		pick(picking, cell);
	return 0;
}

/* The cells that contribute most to the divergence of the signal, into jsg_work.alert. */
__noinline int pick_top_cells(__u32 number, enum jsg_signal signal, int built_in)
{
	const struct jsg_baseline *baseline = bpf_map_lookup_elem(&baselines, &number);
	const struct jsg_counts *counts = &jsg_work.counts;
	struct jsg_picking picking = {};
	__u64 p_total, q_total;
	__u32 cells;

	if (!baseline)
		return 0;
	if (signal == JSG_TRANSITIONS) {
		load_transitions(baseline);
		cells = JSG_TRANSITION_CELLS;
		p_total = counts->transitions;
		q_total = baseline->transitions;
		picking.comparison.share_q32 = JSG_ONE_Q32;
	} else {
		int with_waiting = jsg_work.occupancy.with_waiting;
		__u64 share_q32 = jsg_work.occupancy.sockets.share_q32;
		struct jsg_top_cell unexpected = {.cell = JSG_CELL_UNEXPECTED};
		__u64 q_q48 = jsg_unexpected_q48(share_q32);

		load_occupancy(baseline, built_in);
		cells = with_waiting ? JSG_PHASE_CELLS : JSG_JUDGED_CELLS;
		p_total = counts->judged + (with_waiting ? counts->waiting : 0);
		q_total = built_in ? BUILT_IN_TOTAL
				   : (__u64)baseline->judged_socket_seconds +
					     (with_waiting ? baseline->waiting_socket_seconds : 0);
		picking.comparison.share_q32 = share_q32;
		unexpected.baseline_ppb = jsg_probability_nano(q_q48);
		unexpected.nanobits = jsg_js_nanobits(jsg_js_part_q55(0, q_q48));
		if (unexpected.nanobits)
			pick(&picking, unexpected);
	}
	picking.comparison.p_total = p_total ? p_total : 1;
	picking.comparison.q_total = q_total ? q_total : 1;
	bpf_loop(cells, pick_cell, &picking, 0);
	jsg_work.alert.top_count = picking.count;
	return 0;
}

/* Takes the verdict on one signal into account, and sends the alert that it raises or clears. */
__noinline int decide(__u32 number, enum jsg_signal signal, enum jsg_verdict verdict)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &number);
	const struct jsg_window *record = &jsg_work.record;
	struct jsg_alert *alert = &jsg_work.alert;
	struct jsg_alert_track *track;
	enum jsg_change change;
	__u64 raised_ns;
	__u32 js;

	if (!service || signal >= JSG_SIGNALS)
		return 0;
	track = &service->alerts[signal];
	js = signal == JSG_TRANSITIONS ? record->transition_js_nanobits
				       : record->occupancy_js_nanobits;
	raised_ns = track->raised_ns;
	change = jsg_track(track, &jsg_config, verdict, js, record->end_ns, record->end_unix_ms);
	if (change == JSG_NO_CHANGE)
		return 0;
	if (change == JSG_RAISED) {
		track->number = ++jsg_alert_number;
		COUNT(alerts, 1);
	}
	__builtin_memset(alert, 0, sizeof(*alert));
	alert->number = track->number;
	alert->at_unix_ms = record->end_unix_ms;
	alert->since_unix_ms = track->since_unix_ms;
	alert->duration_ns = change == JSG_CLEARED ? record->end_ns - raised_ns : 0;
	alert->event = change == JSG_RAISED ? JSG_RAISE : JSG_CLEAR;
	alert->signal = signal;
	alert->port = record->port;
	alert->js_nanobits = js;
	alert->threshold_nanobits = signal == JSG_TRANSITIONS
					    ? jsg_config.transition_threshold_nanobits
					    : jsg_config.occupancy_threshold_nanobits;
	alert->peak_nanobits = track->peak_nanobits;
	alert->window_s = jsg_config.window_steps * step_seconds();
	alert->transitions = record->transitions;
	alert->sockets = record->sockets;
	alert->open_requests = record->open_requests;
	alert->open_millisockets = record->open_millisockets;
	alert->expected_millisockets = record->expected_millisockets;
	if (change == JSG_RAISED)
		pick_top_cells(number, signal, record->mode == JSG_LEARNING_ON);
	if (bpf_ringbuf_output(&alerts, alert, sizeof(*alert), 0))
		COUNT(alerts_lost, 1);
	return 0;
}

/* Measures the window and judges it, unless the service is still learning. */
__noinline int judge(__u32 number, __u32 steps)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &number);
	struct jsg_window *record = &jsg_work.record;
	const struct jsg_distance *distance;

	if (!service)
		return 0;
	measure_transitions(number);
	distance = &jsg_work.transitions;
	record->transition_entropy_nanobits = distance->entropy_nanobits;
	record->transition_verdict = JSG_NOT_JUDGED;
	if (service->mode == JSG_GUARDING) {
		record->transition_js_nanobits = distance->js_nanobits;
		record->transition_kl_nanobits = distance->kl_nanobits;
		record->transition_verdict = jsg_judge_transitions(
			&jsg_config, jsg_work.counts.transitions, distance->js_nanobits);
	}

	record->occupancy_verdict = JSG_NOT_JUDGED;
	if (service->mode == JSG_LEARNING)
		return 0;
	measure_occupancy(number, service->mode == JSG_LEARNING_ON, steps);
	distance = &jsg_work.occupancy;
	record->open_millisockets = distance->sockets.open;
	record->expected_millisockets = distance->sockets.expected;
	record->excess_millisockets = distance->sockets.excess;
	record->with_waiting = distance->with_waiting;
	record->occupancy_js_nanobits = distance->js_nanobits;
	record->occupancy_kl_nanobits = distance->kl_nanobits;
	record->occupancy_verdict =
		jsg_judge_occupancy(&jsg_config, distance->sockets.open, distance->js_nanobits,
				    distance->sockets.excess);

	decide(number, JSG_TRANSITIONS, record->transition_verdict);
	decide(number, JSG_OCCUPANCY, record->occupancy_verdict);
	if (record->transition_verdict == JSG_OVER || record->occupancy_verdict == JSG_OVER ||
	    service->alerts[JSG_TRANSITIONS].state == JSG_ALERT ||
	    service->alerts[JSG_OCCUPANCY].state == JSG_ALERT)
		service->quiet_steps = 0;
	else
		service->quiet_steps++;
	return 0;
}

/* What the looks of the last step found: into the record, and begun anew for the next step. */
static __always_inline void report_found(__u32 number, struct jsg_service *service, __u64 now_ns)
{
	struct jsg_window *record = &jsg_work.record;
	struct jsg_found *found = found_of(number);
	__s64 untracked = (__s64)service->untracked_sockets +
			  (__s64)(jsg_work.untracked_opened - service->untracked_opened) -
			  (__s64)(jsg_work.untracked_closed - service->untracked_closed);

	/*
	 * A socket opened actively from the port has no slot either, and must not count below
	 * nothing.
	 */
	service->untracked_sockets = untracked > 0 ? (__u32)untracked : 0;
	service->untracked_opened = jsg_work.untracked_opened;
	service->untracked_closed = jsg_work.untracked_closed;
	service->sockets = found->sockets + service->untracked_sockets;
	service->listeners = found->listeners;
	if (service->sockets || service->listeners || !service->last_used_ns)
		service->last_used_ns = now_ns;

	record->sockets = service->sockets;
	record->idle_sockets = found->idle;
	record->waiting_sockets = found->waiting;
	record->open_requests = found->open_requests;
	record->looked_at_ppm = 1000000;
	if (service->sockets)
		record->looked_at_ppm = (__u64)found->looked_at * 1000000 / service->sockets;
	found->sockets = 0;
	found->looked_at = 0;
	found->idle = 0;
	found->waiting = 0;
	found->open_requests = 0;
	found->listeners = 0;
}

/* The sliding mean of the entropy of the states entered. */
static __always_inline void follow_trend(struct jsg_service *service)
{
	struct jsg_window *record = &jsg_work.record;
	__u32 place = service->sequence % JSG_TREND_WINDOWS;
	__u64 windows =
		service->sequence < JSG_TREND_WINDOWS ? service->sequence : JSG_TREND_WINDOWS;

	service->trend_sum_nanobits +=
		record->state_entropy_nanobits - service->trend_nanobits[place];
	service->trend_nanobits[place] = record->state_entropy_nanobits;
	record->state_entropy_trend_nanobits = service->trend_sum_nanobits / windows;
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
	learn(number);
	return 0;
}

/*
 * Whether the port has been without listener and socket for so long that its place may go to
 * another.
 */
static __always_inline int unused(const struct jsg_service *service, __u64 now_ns)
{
	return !service->stays && now_ns - service->last_used_ns > LEAVE_AFTER_NS &&
	       service->alerts[JSG_TRANSITIONS].state != JSG_ALERT &&
	       service->alerts[JSG_OCCUPANCY].state != JSG_ALERT;
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
	struct jsg_baseline *baseline = bpf_map_lookup_elem(&baselines, &number);

	if (!service || !baseline)
		return 0;
	take_reading(number, 0);
	for (int cell = 0; cell < JSG_TRANSITION_CELLS; cell++)
		baseline->transition_counts[cell] = 0;
	for (int cell = 0; cell < JSG_PHASE_CELLS; cell++)
		baseline->occupancy_socket_seconds[cell] = 0;
	baseline->learned_s = 0;
	baseline->transitions = 0;
	baseline->exchanges = 0;
	baseline->judged_socket_seconds = 0;
	baseline->waiting_socket_seconds = 0;
	service->started_ns = 0;
	service->sequence = 0;
	service->last_used_ns = 0;
	service->trend_sum_nanobits = 0;
	for (int i = 0; i < JSG_TREND_WINDOWS; i++)
		service->trend_nanobits[i] = 0;
	__builtin_memset(service->alerts, 0, sizeof(service->alerts));
	service->mode = JSG_FREE;
	service->learned_steps = 0;
	service->quiet_steps = 0;
	service->listeners = 0;
	service->sockets = 0;
	service->untracked_sockets = 0;
	__sync_lock_test_and_set(&service->port, 0);
	return 0;
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
		service->started_ns = now_ns;
	if (service->mode == JSG_FREE)
		service->mode = JSG_LEARNING;
	close_window(number, now_ns);
	if (unused(service, now_ns))
		leave_port(service);
}

#endif
