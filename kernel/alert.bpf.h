/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* alert.bpf.h: composes and sends the record of an alert that was raised or cleared. */
#ifndef JSG_ALERT_BPF_H
#define JSG_ALERT_BPF_H

#include "window.bpf.h"

/* State of the walk over the cells that picks the top cells of an alert. */
struct jsg_picking {
	struct jsg_comparison comparison;
	__u32 count;
};

/* Keeps a cell if its part is one of the largest. The top cells are sorted, the largest first. */
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

/* Puts the cells that contribute most to the signal's divergence into jsg_work.alert. */
__noinline int pick_top_cells(enum jsg_signal signal, int generic)
{
	struct jsg_picking picking = {};
	__u64 p_total, q_total;
	__u32 cells;

	if (signal == JSG_TRANSITIONS) {
		load_transitions();
		cells = JSG_TRANSITION_CELLS;
		p_total = jsg_work.counts.transitions;
		q_total = jsg_work.normal.transitions;
		picking.comparison.share_q32 = JSG_ONE_Q32;
	} else {
		int with_waiting = jsg_work.signal[JSG_OCCUPANCY].with_waiting;
		__u64 share_q32 = jsg_work.signal[JSG_OCCUPANCY].sockets.share_q32;
		struct jsg_top_cell excess = {.cell = JSG_CELL_EXCESS};
		__u64 q_q48 = jsg_excess_cell_q48(share_q32);

		load_occupancy(generic);
		cells = with_waiting ? JSG_PHASE_CELLS : JSG_JUDGED_CELLS;
		p_total = window_total(with_waiting);
		q_total = normal_total(generic, with_waiting);
		picking.comparison.share_q32 = share_q32;
		excess.baseline_ppb = jsg_probability_nano(q_q48);
		excess.nanobits = jsg_js_nanobits(jsg_js_part_q55(0, q_q48));
		if (excess.nanobits)
			pick(&picking, excess);
	}
	picking.comparison.p_total = p_total ? p_total : 1;
	picking.comparison.q_total = q_total ? q_total : 1;
	bpf_loop(cells, pick_cell, &picking, 0);
	jsg_work.alert.top_count = picking.count;
	return 0;
}

/*
 * A signal as an index. The barrier keeps the mask, by which the verifier of 6.1 knows the range:
 * it does not learn it from a comparison of another register.
 */
static __always_inline __u32 signal_index(enum jsg_signal signal)
{
	__u32 index = signal & (JSG_SIGNALS - 1);

	JSG_ASSERT(JSG_SIGNALS == 2, "a mask bounds a signal");
	barrier_var(index);
	return index;
}

/* Sends the record of a raise or a clear, from the window's record and the measured distances. */
static __always_inline void send_alert(__u32 service_id, enum jsg_signal signal,
				       enum jsg_event event, __u64 duration_ns)
{
	const struct jsg_service *service = bpf_map_lookup_elem(&services, &service_id);
	const struct jsg_window *record = &jsg_work.record;
	struct jsg_alert *alert = &jsg_work.alert;
	const struct jsg_alert_track *track;
	__u32 index = signal_index(signal);

	if (!service)
		return;
	track = &service->alerts[index];
	__builtin_memset(alert, 0, sizeof(*alert));
	alert->number = track->number;
	alert->at_unix_ms = record->end_unix_ms;
	alert->since_unix_ms = track->since_unix_ms;
	alert->duration_ns = duration_ns;
	alert->event = event;
	alert->signal = signal;
	alert->netns = jsg_config.netns;
	alert->port = record->port;
	alert->js_nanobits = record->signal[index].js_nanobits;
	alert->significance_nanobits = record->signal[index].significance_nanobits;
	alert->threshold_nanobits = service->threshold_nanobits[index];
	alert->peak_nanobits = track->peak_nanobits;
	alert->window_s = jsg_config.window_steps * step_seconds();
	alert->transitions = record->transitions;
	alert->sockets = record->sockets;
	alert->open_requests = record->open_requests;
	alert->open_millisockets = record->open_millisockets;
	alert->expected_millisockets = record->expected_millisockets;
	alert->stalled_millisockets = record->stalled_millisockets;
	alert->sources = jsg_work.sources[index];
	if (event == JSG_RAISE)
		pick_top_cells(signal, record->mode == JSG_STILL_LEARNING);
	if (bpf_ringbuf_output(&alerts, alert, sizeof(*alert), 0))
		COUNT(alerts_lost, 1);
}

#endif
