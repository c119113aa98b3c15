/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* window.bpf.h: the window as a difference of two readings, and its distance from normal. */
#ifndef JSG_WINDOW_BPF_H
#define JSG_WINDOW_BPF_H

#include "comparison.h"
#include "maps.bpf.h"
#include "significance.h"

static const struct jsg_baseline empty_baseline;

/* The reading with that sequence number. The readings of a service are a ring. */
static __always_inline struct jsg_reading *reading_of(__u32 service_id, __u64 sequence)
{
	__u32 index = jsg_reading_index(service_id, sequence, jsg_config.readings_per_service);

	return bpf_map_lookup_elem(&readings, &index);
}

struct jsg_adding {
	struct jsg_reading *sum;
	__u32 service_id;
};

/* Adds one CPU's counters to a reading. A bpf_loop callback. */
static long add_cpu(__u32 cpu, void *context)
{
	struct jsg_adding *adding = context;
	struct jsg_counters *row = bpf_map_lookup_percpu_elem(&counters, &adding->service_id, cpu);
	struct jsg_reading *sum = adding->sum;

	if (!row || !sum)
		return 0;
	for (int cell = 0; cell < JSG_TRANSITION_CELLS; cell++)
		sum->transitions[cell] += row->transitions[cell];
	return 0;
}

/* Reads all counters of a service into the reading with that sequence number. */
__noinline int take_reading(__u32 service_id, __u64 sequence)
{
	struct jsg_adding adding = {.sum = reading_of(service_id, sequence),
				    .service_id = service_id};
	struct jsg_step_samples *samples = step_samples_of(service_id);
	const struct jsg_late *late = late_of(service_id);

	if (!adding.sum)
		return 0;
	samples->full_queue_steps += samples->full_queues != 0;
	__builtin_memcpy(adding.sum->transitions, late->transitions,
			 sizeof(adding.sum->transitions));
	jsg_work.untracked_opened = late->untracked_opened;
	jsg_work.untracked_closed = late->untracked_closed;
	bpf_loop(jsg_config.cpus, add_cpu, &adding, 0);
	for (int cell = 0; cell < JSG_PHASE_CELLS; cell++)
		adding.sum->occupancy[cell] = samples->occupancy[cell];
	adding.sum->answers = samples->answers;
	adding.sum->full_queue_steps = samples->full_queue_steps;
	return 0;
}

/* Whether a socket in that state is a connection. */
static __always_inline int is_connection(int state)
{
	return state != JSG_TCP_NONE && state != JSG_TCP_SYN_SENT && state != JSG_TCP_CLOSE &&
	       state != JSG_TCP_LISTEN && state != JSG_TCP_BOUND_INACTIVE;
}

/* Whether sockets in the phase make progress. */
static __always_inline int is_moving(int phase)
{
	return phase == JSG_RESPONSE_MOVING || phase == JSG_REQUEST_MOVING;
}

/* Whether, in these transitions, about as many connections were opened as were closed. */
static __always_inline int are_balanced(const __u32 *cells)
{
	__u32 closed = 0;

	for (int state = 0; state < JSG_STATES; state++)
		closed += is_connection(state) ? cells[state * JSG_STATES + JSG_TCP_CLOSE] : 0;
	return jsg_balanced(&jsg_config, cells[JSG_TCP_LISTEN * JSG_STATES + JSG_TCP_SYN_RECV],
			    closed);
}

/* Sets the totals of the transitions in jsg_work.counts. */
static __always_inline void total_transitions(struct jsg_counts *counts)
{
	const __u32 *cells = counts->cells.transitions;

	counts->transitions = 0;
	for (int cell = 0; cell < JSG_TRANSITION_CELLS; cell++)
		counts->transitions += cells[cell];
	counts->exchanges =
		counts->cells.answers + cells[JSG_TCP_SYN_RECV * JSG_STATES + JSG_TCP_ESTABLISHED];
}

/* The total of a phase's cells, of a window or of a baseline. */
static __always_inline __u32 phase_total(const __u32 *occupancy, int phase)
{
	__u32 sum = 0;

	for (int age = 0; age < JSG_AGES; age++)
		sum += occupancy[phase * JSG_AGES + age];
	return sum;
}

static __always_inline __u32 moving_total(const __u32 *occupancy)
{
	__u32 sum = 0;

	for (int phase = 0; phase < JSG_CELL_PHASES; phase++)
		sum += is_moving(phase) ? phase_total(occupancy, phase) : 0;
	return sum;
}

/* Puts what was counted between two readings into jsg_work.counts. */
__noinline int count_between(__u32 service_id, __u64 newer_sequence, __u64 older_sequence)
{
	const struct jsg_reading *newer = reading_of(service_id, newer_sequence);
	const struct jsg_reading *older = reading_of(service_id, older_sequence);
	struct jsg_counts *counts = &jsg_work.counts;
	__u32 sum = 0;

	if (!newer || !older)
		return 0;
	for (int cell = 0; cell < JSG_TRANSITION_CELLS; cell++)
		counts->cells.transitions[cell] =
			newer->transitions[cell] - older->transitions[cell];
	for (int cell = 0; cell < JSG_PHASE_CELLS; cell++) {
		counts->cells.occupancy[cell] = newer->occupancy[cell] - older->occupancy[cell];
		sum += counts->cells.occupancy[cell];
	}
	counts->cells.answers = newer->answers - older->answers;
	counts->cells.full_queue_steps = newer->full_queue_steps - older->full_queue_steps;
	total_transitions(counts);
	counts->waiting = phase_total(counts->cells.occupancy, JSG_WAITING);
	counts->judged = sum - counts->waiting;
	counts->moving = moving_total(counts->cells.occupancy);
	return 0;
}

/* Adds one cell of the loaded histograms. A bpf_loop callback. */
static long compare_cell(__u32 cell, void *context)
{
	if (cell >= JSG_CELLS_MAX)
		return 1;
	if (jsg_comparison_add(context, jsg_work.p[cell], jsg_work.q[cell]))
		jsg_work.distance.deviating_cells |= 1ULL << (cell & 63);
	return 0;
}

/*
 * Compares the loaded histograms, with the given totals, and puts the result into
 * jsg_work.distance. Without a baseline only the entropy has a meaning.
 */
__noinline int compare_loaded(__u32 cells, __u64 p_total, __u64 q_total, __u64 share_q32)
{
	struct jsg_distance *out = &jsg_work.distance;
	struct jsg_comparison comparison;

	out->js_nanobits = 0;
	out->kl_nanobits = 0;
	out->entropy_nanobits = 0;
	out->deviating_cells = 0;
	out->cells = 0;
	if (!p_total)
		return 0;
	jsg_comparison_begin(&comparison, p_total, q_total ? q_total : 1, share_q32);
	bpf_loop(cells, compare_cell, &comparison, 0);
	out->entropy_nanobits = jsg_entropy_nanobits(comparison.entropy_q54);
	out->js_nanobits = jsg_js_nanobits(comparison.js_q55);
	out->kl_nanobits = jsg_comparison_kl_nanobits(&comparison);
	out->cells = comparison.cells;
	return 0;
}

static __always_inline void load_transitions(void)
{
	for (int cell = 0; cell < JSG_TRANSITION_CELLS; cell++) {
		jsg_work.p[cell] = jsg_work.counts.cells.transitions[cell];
		jsg_work.q[cell] = jsg_work.normal.transition_counts[cell];
	}
}

/*
 * The generic baseline, for a service that has learned none: requests and responses under 1 s,
 * moving and slow, with equal shares.
 */
#define GENERIC_TOTAL 4

static __always_inline int in_generic(int cell)
{
	return cell % JSG_AGES == 0 && cell / JSG_AGES <= JSG_REQUEST_SLOW;
}

static __always_inline void load_occupancy(int generic)
{
	for (int cell = 0; cell < JSG_PHASE_CELLS; cell++) {
		jsg_work.p[cell] = jsg_work.counts.cells.occupancy[cell];
		jsg_work.q[cell] = generic ? (__u32)in_generic(cell)
					   : jsg_work.normal.occupancy_socket_seconds[cell];
	}
}

/* The total of the window's loaded occupancy. */
static __always_inline __u64 window_total(int with_waiting)
{
	return (__u64)jsg_work.counts.judged + (with_waiting ? jsg_work.counts.waiting : 0);
}

/* The total of the baseline's loaded occupancy. */
static __always_inline __u64 normal_total(int generic, int with_waiting)
{
	if (generic)
		return GENERIC_TOTAL;
	return (__u64)jsg_work.normal.judged_socket_seconds +
	       (with_waiting ? jsg_work.normal.waiting_socket_seconds : 0);
}

/* Copies a service's baseline, or its pending one, to what windows are compared with. */
__noinline int load_normal(__u32 service_id, int pending)
{
	const struct jsg_baseline *baseline =
		pending ? bpf_map_lookup_elem(&pending_baselines, &service_id)
			: bpf_map_lookup_elem(&baselines, &service_id);

	if (baseline)
		bpf_probe_read_kernel(&jsg_work.normal, sizeof(jsg_work.normal), baseline);
	return 0;
}

/* Measures the entropy of the states that were entered in the window. */
__noinline int measure_states(void)
{
	for (int state = 0; state < JSG_STATES; state++) {
		__u32 entered = 0;

		for (int old = 0; old < JSG_STATES; old++)
			entered += jsg_work.counts.cells.transitions[old * JSG_STATES + state];
		jsg_work.p[state] = entered;
		jsg_work.q[state] = 0;
	}
	compare_loaded(JSG_STATES, jsg_work.counts.transitions, 0, JSG_ONE_Q32);
	jsg_work.record.state_entropy_nanobits = jsg_work.distance.entropy_nanobits;
	return 0;
}

/* Puts the significance bound of a comparison into jsg_work.distance. */
__noinline int measure_significance(__u32 cells, __u64 window_milli, __u64 baseline_milli)
{
	jsg_work.distance.significance_nanobits = jsg_significance_nanobits(
		cells, window_milli, baseline_milli, jsg_config.false_alarm_exponent);
	return 0;
}

/* The states in which a larger share of the window's connections ended than is normal, as bits. */
static __always_inline __u32 deviating_ends(void)
{
	const struct jsg_counts *counts = &jsg_work.counts;
	const struct jsg_baseline *normal = &jsg_work.normal;
	__u32 ends = 0;

	for (int state = 0; state < JSG_STATES; state++) {
		int cell = state * JSG_STATES + JSG_TCP_CLOSE;
		__u64 found = counts->cells.transitions[cell];
		__u64 usual = normal->transition_counts[cell];

		if (is_connection(state) &&
		    found * normal->transitions > usual * counts->transitions)
			ends |= 1U << state;
	}
	return ends;
}

/* Compares the transitions of the window with what is normal. */
__noinline int measure_transitions(void)
{
	__u32 total = jsg_work.counts.transitions;

	load_transitions();
	compare_loaded(JSG_TRANSITION_CELLS, total, jsg_work.normal.transitions, JSG_ONE_Q32);
	measure_significance(jsg_work.distance.cells, jsg_transition_samples_milli(total),
			     jsg_transition_samples_milli(jsg_work.normal.transitions));
	jsg_work.signal[JSG_TRANSITIONS] = jsg_work.distance;
	return 0;
}

/*
 * Sets the numbers of open sockets and of stalled sockets, and the expected number of each. All
 * numbers are with the phase waiting or without it. Waiting sockets are stalled.
 */
__noinline int expect_sockets(int generic, __u32 steps, int with_waiting)
{
	const struct jsg_baseline *normal = &jsg_work.normal;
	__u32 learned_s = normal->learned_s ? normal->learned_s : 1;
	__u64 total = normal_total(generic, with_waiting);
	__u64 open = window_total(with_waiting);
	__u32 rate = jsg_rate_milli(jsg_work.counts.exchanges, steps * step_seconds());
	__u32 base_rate = jsg_rate_milli(normal->exchanges, learned_s);
	__u64 moving = moving_total(normal->occupancy_socket_seconds);
	__u32 expected = rate, stalled_expected = rate; /* each exchange takes a second */

	if (!steps)
		return 0;
	if (!generic) {
		expected = jsg_expected_milli(jsg_rate_milli(total, learned_s), base_rate, rate);
		stalled_expected = jsg_expected_milli(jsg_rate_milli(total - moving, learned_s),
						      base_rate, rate);
	}
	jsg_work.distance.sockets =
		jsg_expect(jsg_rate_milli(open, steps), expected,
			   jsg_rate_milli(open - jsg_work.counts.moving, steps), stalled_expected);
	return 0;
}

/* The episodes in the first cells of the normal occupancy, in thousandths. */
__noinline __u64 normal_episodes(__u32 cells)
{
	__u32 learned_s = jsg_work.normal.learned_s;
	__u32 step_s = step_seconds();

	return jsg_episodes_milli(jsg_work.normal.occupancy_socket_seconds, cells,
				  learned_s ? learned_s : 1, step_s ? step_s : 1);
}

/* Makes one comparison, without or with the phase waiting. The result is in jsg_work.distance. */
static __always_inline void measure_occupancy_once(int generic, __u32 steps, int with_waiting)
{
	struct jsg_distance *out = &jsg_work.distance;
	__u32 cells = with_waiting ? JSG_PHASE_CELLS : JSG_JUDGED_CELLS;
	__u64 open = window_total(with_waiting), total = normal_total(generic, with_waiting);

	expect_sockets(generic, steps, with_waiting);
	out->with_waiting = with_waiting;
	if (!total)
		out->sockets.share_q32 = 0; /* the baseline is empty: all sockets are excess */
	compare_loaded(cells, open, total, out->sockets.share_q32);
	/* A sampled socket that represents others is one sample. */
	measure_significance(out->cells,
			     out->sockets.open / (jsg_sample_weight ? jsg_sample_weight : 1),
			     generic ? 0 : normal_episodes(cells));
}

/* Whether the comparison has all the evidence of an alert except the threshold. */
static __always_inline int has_evidence(const struct jsg_distance *distance)
{
	return jsg_exceeds(&jsg_config, &distance->sockets) &&
	       distance->js_nanobits > distance->significance_nanobits;
}

/*
 * Compares the occupancy of the window with what is normal, or with the generic baseline: once
 * without the phase waiting and once with it. If only one comparison has the evidence, that one
 * counts. Otherwise the one with the larger divergence counts.
 */
__noinline int measure_occupancy(int generic, __u32 steps)
{
	struct jsg_distance *chosen = &jsg_work.signal[JSG_OCCUPANCY], *with = &jsg_work.distance;
	__u64 needed = (__u64)jsg_config.min_sockets * JSG_MILLI;
	int only_with_is_judged, choose_with;

	load_occupancy(generic);
	measure_occupancy_once(generic, steps, 0);
	*chosen = jsg_work.distance;
	measure_occupancy_once(generic, steps, 1);
	/* If most open sockets wait, too few remain for the comparison without them. */
	only_with_is_judged = chosen->sockets.open < needed && with->sockets.open >= needed;
	choose_with = only_with_is_judged || with->js_nanobits > chosen->js_nanobits;
	if (has_evidence(chosen) != has_evidence(with))
		choose_with = has_evidence(with);
	if (choose_with)
		*chosen = *with;
	return 0;
}

#endif
