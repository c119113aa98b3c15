/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* service_step.bpf.h: one step of a service: close a window, judge it, report, learn. */
#ifndef JSG_SERVICE_STEP_BPF_H
#define JSG_SERVICE_STEP_BPF_H

#include "alert.bpf.h"
#include "learning.bpf.h"
#include "services.bpf.h"

static __always_inline __u64 unix_ms(__u64 now_ns)
{
	return (now_ns + jsg_unix_offset_ns) / NS_IN_MS;
}

/* Updates one signal's alert by the window's verdict. Sends a record of a raise or a clear. */
__noinline int decide(__u32 service_id, enum jsg_signal signal)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &service_id);
	const struct jsg_window *record = &jsg_work.record;
	const struct jsg_window_signal *found;
	struct jsg_alert_track *track;
	enum jsg_change change;
	__u32 index = signal_index(signal);
	__u64 raised_ns;

	if (!service)
		return 0;
	found = &record->signal[index];
	if (found->verdict == JSG_NOT_ENOUGH_TRAFFIC)
		COUNT(not_enough_traffic, 1);
	track = &service->alerts[index];
	raised_ns = track->raised_ns;
	change = jsg_track(track, &jsg_config, found->verdict, found->js_nanobits, record->end_ns,
			   record->end_unix_ms);
	if (change == JSG_NO_CHANGE)
		return 0;
	if (change == JSG_RAISED) {
		track->number = ++jsg_alert_number;
		COUNT(alerts, 1);
	}
	send_alert(service_id, signal, change == JSG_RAISED ? JSG_RAISE : JSG_CLEAR,
		   change == JSG_RAISED ? 0 : record->end_ns - raised_ns);
	return 0;
}

/* Puts one signal's measured distance into the window's record. Returns its bounds. */
static __always_inline struct jsg_bounds report_distance(const struct jsg_service *service,
							 enum jsg_signal signal)
{
	const struct jsg_distance *distance = &jsg_work.signal[signal];
	struct jsg_window_signal *found = &jsg_work.record.signal[signal];
	struct jsg_bounds bounds = {
		.js = distance->js_nanobits,
		.threshold = service->threshold_nanobits[signal],
		.significance = distance->significance_nanobits,
	};

	found->js_nanobits = distance->js_nanobits;
	found->kl_nanobits = distance->kl_nanobits;
	found->significance_nanobits = distance->significance_nanobits;
	return bounds;
}

/* Measures the window's transitions. Judges them only if the service has its own baseline. */
static __always_inline void judge_transitions(const struct jsg_service *service)
{
	struct jsg_window *record = &jsg_work.record;
	const struct jsg_counts *counts = &jsg_work.counts;
	struct jsg_bounds bounds;

	measure_states();
	measure_transitions();
	record->transition_entropy_nanobits = jsg_work.signal[JSG_TRANSITIONS].entropy_nanobits;
	record->signal[JSG_TRANSITIONS].verdict = JSG_NOT_JUDGED;
	if (service->mode != JSG_MONITORING)
		return;
	bounds = report_distance(service, JSG_TRANSITIONS);
	record->signal[JSG_TRANSITIONS].verdict =
		jsg_judge_transitions(&jsg_config, counts->transitions,
				      are_balanced(counts->cells.transitions) &&
					      are_balanced(jsg_work.normal.transition_counts),
				      bounds);
}

/*
 * While the verdict on the transitions is *above*, the programs note the connections that end in a
 * way that the window has more of.
 */
static __always_inline void choose_ends(__u32 service_id)
{
	__u32 ends =
		jsg_work.record.signal[JSG_TRANSITIONS].verdict == JSG_ABOVE ? deviating_ends() : 0;

	RELAXED_WRITE(step_samples_of(service_id)->deviating_ends, ends);
}

/*
 * Measures the window's occupancy and judges it. If there are too many sockets, the next samples
 * count the sources in the cells that the window has more of.
 */
static __always_inline void judge_occupancy(__u32 service_id, const struct jsg_service *service,
					    __u32 steps)
{
	struct jsg_window *record = &jsg_work.record;
	const struct jsg_distance *distance = &jsg_work.signal[JSG_OCCUPANCY];
	struct jsg_bounds bounds;

	measure_occupancy(service->mode == JSG_STILL_LEARNING, steps);
	record->open_millisockets = distance->sockets.open;
	record->expected_millisockets = distance->sockets.expected;
	record->excess_millisockets = distance->sockets.excess;
	record->stalled_millisockets = distance->sockets.stalled;
	record->stalled_excess_millisockets = distance->sockets.stalled_excess;
	record->with_waiting = distance->with_waiting;
	bounds = report_distance(service, JSG_OCCUPANCY);
	record->signal[JSG_OCCUPANCY].verdict =
		jsg_judge_occupancy(&jsg_config, &distance->sockets, bounds);
	step_samples_of(service_id)->deviating_cells =
		distance->sockets.excess || bounds.js > bounds.threshold ? distance->deviating_cells
									 : 0;
}

/* Measures the window, and judges it unless the service is in its first learning time. */
__noinline int judge(__u32 service_id, __u32 steps)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &service_id);
	struct jsg_window *record = &jsg_work.record;
	int above;

	if (!service)
		return 0;
	load_normal(service_id, 0);
	judge_transitions(service);
	choose_ends(service_id);
	record->signal[JSG_OCCUPANCY].verdict = JSG_NOT_JUDGED;
	if (service->mode == JSG_LEARNING)
		return 0;
	judge_occupancy(service_id, service, steps);
	decide(service_id, JSG_TRANSITIONS);
	decide(service_id, JSG_OCCUPANCY);

	/* While a service relearns, its new normal traffic may be above the old threshold. */
	above = service->mode == JSG_STILL_LEARNING &&
		record->signal[JSG_OCCUPANCY].verdict == JSG_ABOVE;
	service->quiet_steps = above || jsg_alert_is_up(service) ? 0 : service->quiet_steps + 1;
	return 0;
}

static __always_inline void reset_sources(__u32 list)
{
	struct jsg_counted_sources *counted = counted_sources_of(list);

	__builtin_memset(&counted->sources, 0, sizeof(counted->sources));
	counted->pass++;
}

/* Keeps the sources that were counted, for an alert. */
static __always_inline void report_sources(__u32 list, struct jsg_sources *out)
{
	*out = counted_sources_of(list)->sources;
	out->top_count = out->distinct < JSG_TOP_SOURCES ? out->distinct : JSG_TOP_SOURCES;
}

/* Puts what the last step's samples found into the record, and resets it for the next step. */
static __always_inline void report_samples(__u32 service_id, struct jsg_service *service,
					   __u64 now_ns)
{
	struct jsg_window *record = &jsg_work.record;
	struct jsg_step_samples *samples = step_samples_of(service_id);
	__s64 untracked = (__s64)service->untracked_sockets +
			  (__s64)(jsg_work.untracked_opened - service->untracked_opened) -
			  (__s64)(jsg_work.untracked_closed - service->untracked_closed);

	/* Sockets whose beginning was missed close too, so the difference may be below 0. */
	service->untracked_sockets = untracked > 0 ? (__u32)untracked : 0;
	service->untracked_opened = jsg_work.untracked_opened;
	service->untracked_closed = jsg_work.untracked_closed;
	service->sockets = samples->sockets + service->untracked_sockets;
	service->listeners = samples->listeners;
	if (service->sockets || service->listeners || samples->closed)
		service->last_used_ns = now_ns;

	record->sockets = service->sockets;
	record->idle_sockets = samples->idle;
	record->waiting_sockets = samples->waiting;
	record->open_requests = samples->open_requests;
	record->full_queues = samples->full_queues;
	record->sample_weight = jsg_sample_weight;
	record->sampled_ppm = 1000000;
	if (service->sockets)
		record->sampled_ppm = (__u64)samples->sampled * 1000000 / service->sockets;
	samples->sockets = 0;
	samples->sampled = 0;
	samples->idle = 0;
	samples->waiting = 0;
	samples->open_requests = 0;
	samples->listeners = 0;
	samples->closed = 0;
	samples->silent_ms = 0;
	samples->full_queues = 0;
	/* Ends are counted from the step after the first verdict *above* to the last one. */
	if (!samples->deviating_ends)
		reset_sources(source_list(service_id, JSG_TRANSITIONS));
	report_sources(source_list(service_id, JSG_TRANSITIONS),
		       &jsg_work.sources[JSG_TRANSITIONS]);
	report_sources(source_list(service_id, JSG_OCCUPANCY), &jsg_work.sources[JSG_OCCUPANCY]);
	reset_sources(source_list(service_id, JSG_OCCUPANCY));
}

/* Updates the sliding mean of the entropy of the entered states. */
static __always_inline void follow_trend(struct jsg_service *service)
{
	struct jsg_window *record = &jsg_work.record;
	__u32 index = service->sequence % JSG_TREND_WINDOWS;
	__u64 count = service->sequence < JSG_TREND_WINDOWS ? service->sequence : JSG_TREND_WINDOWS;

	service->trend_sum_nanobits +=
		record->state_entropy_nanobits - service->trend_nanobits[index];
	service->trend_nanobits[index] = record->state_entropy_nanobits;
	record->state_entropy_trend_nanobits = service->trend_sum_nanobits / count;
}

/* Puts the record into the ring of windows that are kept. */
static __always_inline void publish(__u32 service_id, const struct jsg_service *service)
{
	struct jsg_window_key key = {.service_id = service_id,
				     .index = service->sequence % JSG_WINDOWS_KEPT};

	if (bpf_map_update_elem(&windows, &key, &jsg_work.record, BPF_ANY))
		COUNT(windows_lost, 1);
	COUNT(windows, 1);
}

/* Closes the window that ends now, judges it and publishes its record. */
__noinline int close_window(__u32 service_id, __u64 now_ns)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &service_id);
	struct jsg_window *record = &jsg_work.record;
	__u32 steps = jsg_config.window_steps;
	__u64 last;

	if (!service)
		return 0;
	last = ++service->sequence;
	if (last < steps)
		steps = last;
	take_reading(service_id, last);
	count_between(service_id, last, last - 1);
	COUNT(transitions, jsg_work.counts.transitions);
	count_between(service_id, last, last - steps);

	__builtin_memset(record, 0, sizeof(*record));
	record->sequence = last;
	record->end_ns = now_ns;
	record->end_unix_ms = unix_ms(now_ns);
	record->port = service->port;
	record->mode = service->mode;
	record->transitions = jsg_work.counts.transitions;
	record->exchanges = jsg_work.counts.exchanges;
	report_samples(service_id, service, now_ns);
	judge(service_id, steps);
	follow_trend(service);
	for (int signal = 0; signal < JSG_SIGNALS; signal++)
		record->signal[signal].alert = service->alerts[signal].state;
	publish(service_id, service);
	return 0;
}

/* Puts the baseline in force that was saved for the port, from a file or when it was last used. */
static __always_inline void restore_baseline(__u32 service_id, struct jsg_service *service)
{
	__u32 port = service->port;
	const struct jsg_baseline *saved = bpf_map_lookup_elem(&saved_baselines, &port);

	if (!saved || bpf_map_update_elem(&baselines, &service_id, saved, BPF_ANY))
		return;
	service->mode = JSG_MONITORING;
	bpf_map_delete_elem(&saved_baselines, &port);
}

/* Starts a service at its first step. A named port's baseline from a file is in force already. */
static __always_inline void start_service(__u32 service_id, struct jsg_service *service,
					  __u64 now_ns)
{
	const struct jsg_baseline *baseline = bpf_map_lookup_elem(&baselines, &service_id);
	__u32 zero = 0;
	const struct jsg_control *asked = bpf_map_lookup_elem(&control, &zero);

	if (asked) /* requests from before are not for this service */
		service->relearn_request = asked->relearn;
	service->started_ns = now_ns;
	service->last_used_ns = now_ns;
	if (service->mode == JSG_FREE) {
		service->mode = JSG_LEARNING;
		restore_baseline(service_id, service);
	}
	if (baseline)
		set_thresholds(service, baseline);
}

/* One step of a service. */
static __always_inline void service_step(__u32 service_id, __u64 now_ns)
{
	struct jsg_service *service = bpf_map_lookup_elem(&services, &service_id);

	if (!service || !service->port)
		return;
	if (service->mode == JSG_LEAVING && !is_used_again(service_id, service))
		return;
	if (!service->started_ns)
		start_service(service_id, service, now_ns);
	take_up_relearning(service_id, service);
	learn_silence(service_id, service);
	close_window(service_id, now_ns);
	if (learn(service_id)) {
		measure_spread(service_id);
		end_learning(service_id);
	}
	release_if_unused(service_id, service, now_ns);
}

#endif
