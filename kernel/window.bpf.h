/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* window.bpf.h: one window of a service as a difference of readings, and how far from normal. */
#ifndef JSG_WINDOW_BPF_H
#define JSG_WINDOW_BPF_H

#include "comparison.h"
#include "decision.h"
#include "state.bpf.h"

/* The tick's work space, too large for the stack; one tick runs at a time. */
struct {
	struct jsg_counts counts;
	__u32 p[JSG_CELLS_MAX]; /* the histograms that are being compared */
	__u32 q[JSG_CELLS_MAX];
	struct jsg_distance distance; /* result of the last comparison */
	struct jsg_distance transitions;
	struct jsg_distance occupancy;
	struct jsg_window record;
	struct jsg_alert alert;
	__u64 untracked_opened;
	__u64 untracked_closed;
} jsg_work;

/* The readings of a service are a ring. */
static __always_inline struct jsg_reading *reading_of(__u32 service, __u64 sequence)
{
	__u32 kept = jsg_config.readings_per_service;
	__u32 index = service * kept + (__u32)(sequence % kept);

	return bpf_map_lookup_elem(&readings, &index);
}

struct jsg_adding {
	struct jsg_reading *sum;
	__u32 service;
};

/* Adds one CPU's counters to a reading. A bpf_loop callback. */
static long add_cpu(__u32 cpu, void *context)
{
	struct jsg_adding *adding = context;
	struct jsg_counters *row = bpf_map_lookup_percpu_elem(&counters, &adding->service, cpu);
	struct jsg_reading *sum = adding->sum;

	if (!row || !sum)
		return 0;
	for (int cell = 0; cell < JSG_TRANSITION_CELLS; cell++)
		sum->transitions[cell] += (__u32)row->transitions[cell];
	jsg_work.untracked_opened += row->untracked_opened;
	jsg_work.untracked_closed += row->untracked_closed;
	return 0;
}

/* Reads all counters of a service into the reading of that sequence number. */
__noinline int take_reading(__u32 service, __u64 sequence)
{
	struct jsg_adding adding = {.sum = reading_of(service, sequence), .service = service};
	const struct jsg_found *found = found_of(service);

	if (!adding.sum)
		return 0;
	for (int cell = 0; cell < JSG_TRANSITION_CELLS; cell++)
		adding.sum->transitions[cell] = 0;
	jsg_work.untracked_opened = 0;
	jsg_work.untracked_closed = 0;
	bpf_loop(jsg_config.cpus, add_cpu, &adding, 0);
	for (int cell = 0; cell < JSG_PHASE_CELLS; cell++)
		adding.sum->occupancy[cell] = found->occupancy[cell];
	for (int state = 0; state < JSG_STATES; state++)
		adding.sum->transitions[state * JSG_STATES + JSG_TCP_CLOSE] +=
			found->closed_unseen[state];
	adding.sum->answers = found->answers;
	return 0;
}

/* What was counted after the older reading and up to the newer one, into jsg_work.counts. */
__noinline int count_between(__u32 service, __u64 newer_sequence, __u64 older_sequence)
{
	const struct jsg_reading *newer = reading_of(service, newer_sequence);
	const struct jsg_reading *older = reading_of(service, older_sequence);
	struct jsg_counts *counts = &jsg_work.counts;
	__u32 sum = 0;

	if (!newer || !older)
		return 0;
	for (int cell = 0; cell < JSG_TRANSITION_CELLS; cell++) {
		counts->cells.transitions[cell] =
			newer->transitions[cell] - older->transitions[cell];
		sum += counts->cells.transitions[cell];
	}
	counts->transitions = sum;
	sum = 0;
	for (int cell = 0; cell < JSG_PHASE_CELLS; cell++) {
		counts->cells.occupancy[cell] = newer->occupancy[cell] - older->occupancy[cell];
		if (cell == JSG_JUDGED_CELLS) {
			counts->judged = sum;
			sum = 0;
		}
		sum += counts->cells.occupancy[cell];
	}
	counts->waiting = sum;
	counts->cells.answers = newer->answers - older->answers;
	counts->exchanges =
		counts->cells.answers +
		counts->cells.transitions[JSG_TCP_SYN_RECV * JSG_STATES + JSG_TCP_ESTABLISHED];
	return 0;
}

/* Adds one cell of the loaded histograms. A bpf_loop callback. */
static long compare_cell(__u32 cell, void *context)
{
	if (cell >= JSG_CELLS_MAX)
		return 1;
	jsg_comparison_add(context, jsg_work.p[cell], jsg_work.q[cell]);
	return 0;
}

/*
 * Compares the loaded histograms, whose totals are given, into jsg_work.distance; without a
 * baseline only the entropy is of use.
 */
__noinline int compare_loaded(__u32 cells, __u64 p_total, __u64 q_total, __u64 share_q32)
{
	struct jsg_distance *out = &jsg_work.distance;
	struct jsg_comparison comparison;

	out->js_nanobits = 0;
	out->kl_nanobits = 0;
	out->entropy_nanobits = 0;
	if (!p_total)
		return 0;
	jsg_comparison_begin(&comparison, p_total, q_total ? q_total : 1, share_q32);
	bpf_loop(cells, compare_cell, &comparison, 0);
	out->entropy_nanobits = jsg_entropy_nanobits(comparison.entropy_q54);
	out->js_nanobits = jsg_js_nanobits(comparison.js_q55);
	out->kl_nanobits = jsg_comparison_kl_nanobits(&comparison);
	return 0;
}

static __always_inline void load_transitions(const struct jsg_baseline *baseline)
{
	for (int cell = 0; cell < JSG_TRANSITION_CELLS; cell++) {
		jsg_work.p[cell] = jsg_work.counts.cells.transitions[cell];
		jsg_work.q[cell] = baseline->transition_counts[cell];
	}
}

/* Before anything is learned: request and response under 1 s, moving and stalled, alike. */
#define BUILT_IN_TOTAL 4

static __always_inline int in_built_in(int cell)
{
	return cell % JSG_AGES == 0 && cell / JSG_AGES <= JSG_REQUEST_STALLED;
}

static __always_inline void load_occupancy(const struct jsg_baseline *baseline, int built_in)
{
	for (int cell = 0; cell < JSG_PHASE_CELLS; cell++) {
		jsg_work.p[cell] = jsg_work.counts.cells.occupancy[cell];
		jsg_work.q[cell] =
			built_in ? in_built_in(cell) : baseline->occupancy_socket_seconds[cell];
	}
}

/*
 * The transitions of the window against the service's own baseline, and the states that were
 * entered.
 */
__noinline int measure_transitions(__u32 service)
{
	const struct jsg_baseline *baseline = bpf_map_lookup_elem(&baselines, &service);
	__u32 total = jsg_work.counts.transitions;

	if (!baseline)
		return 0;
	for (int state = 0; state < JSG_STATES; state++) {
		__u32 entered = 0;

		for (int old = 0; old < JSG_STATES; old++)
			entered += jsg_work.counts.cells.transitions[old * JSG_STATES + state];
		jsg_work.p[state] = entered;
		jsg_work.q[state] = 0;
	}
	compare_loaded(JSG_STATES, total, 0, JSG_ONE_Q32);
	jsg_work.record.state_entropy_nanobits = jsg_work.distance.entropy_nanobits;

	load_transitions(baseline);
	compare_loaded(JSG_TRANSITION_CELLS, total, baseline->transitions, JSG_ONE_Q32);
	jsg_work.transitions = jsg_work.distance;
	return 0;
}

/* One of the two comparisons, without or with the phase waiting, into jsg_work.distance. */
static __always_inline void measure_occupancy_once(const struct jsg_baseline *baseline,
						   int built_in, __u32 steps, int with_waiting)
{
	struct jsg_distance *out = &jsg_work.distance;
	__u32 step_s = step_seconds();
	__u64 open = jsg_work.counts.judged;
	__u64 rate = jsg_rate_milli(jsg_work.counts.exchanges, steps * step_s);
	__u64 base_total = BUILT_IN_TOTAL;
	__u32 expected = rate; /* each exchange a second long */

	if (with_waiting)
		open += jsg_work.counts.waiting;
	if (!built_in) {
		__u32 learned_s = baseline->learned_s ? baseline->learned_s : 1;

		base_total = baseline->judged_socket_seconds;
		if (with_waiting)
			base_total += baseline->waiting_socket_seconds;
		expected = jsg_expected_milli(jsg_rate_milli(base_total, learned_s),
					      jsg_rate_milli(baseline->exchanges, learned_s), rate);
	}
	out->sockets = jsg_expect(jsg_rate_milli(open, steps), expected);
	out->with_waiting = with_waiting;
	if (!base_total)
		out->sockets.share_q32 = 0; /* the baseline holds nothing: all is unexpected */
	compare_loaded(with_waiting ? JSG_PHASE_CELLS : JSG_JUDGED_CELLS, open, base_total,
		       out->sockets.share_q32);
}

/*
 * The occupancy of the window against the service's baseline, or the built-in one. Of the
 * comparison without waiting and the one with it, that with the larger divergence that has its
 * evidence counts.
 */
__noinline int measure_occupancy(__u32 service, int built_in, __u32 steps)
{
	const struct jsg_baseline *baseline = bpf_map_lookup_elem(&baselines, &service);
	struct jsg_distance *chosen = &jsg_work.occupancy, *with = &jsg_work.distance;
	__u64 needed = (__u64)jsg_config.min_sockets * JSG_MILLI;
	int evidence_without, evidence_with, only_with_is_judged, choose_with;

	if (!baseline || !steps)
		return 0;
	load_occupancy(baseline, built_in);
	measure_occupancy_once(baseline, built_in, steps, 0);
	*chosen = jsg_work.distance;
	measure_occupancy_once(baseline, built_in, steps, 1);
	evidence_without = chosen->sockets.excess >= needed;
	evidence_with = with->sockets.excess >= needed;
	only_with_is_judged = chosen->sockets.open < needed && with->sockets.open >= needed;
	choose_with = only_with_is_judged || with->js_nanobits > chosen->js_nanobits;
	if (evidence_without != evidence_with)
		choose_with = evidence_with;
	if (choose_with)
		*chosen = *with;
	return 0;
}

#endif
