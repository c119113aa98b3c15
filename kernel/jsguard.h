/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* jsguard.h: the contract with user space: all that crosses a map or the ring buffer. */
#ifndef JSGUARD_H
#define JSGUARD_H

#include "fixed_point.h"

/* Version of all the layouts below; a reader that was built for another one must not read. */
#define JSG_SCHEMA 4

/* Services: one for each guarded local port. Number 0 means "not guarded". */
#define JSG_SERVICES 64
#define JSG_SERVICE_PLACES (JSG_SERVICES + 1)
#define JSG_PORTS 65536

/*
 * Transitions: one cell for each (old state, new state), states as in the kernel's
 * include/net/tcp_states.h.
 */
enum jsg_tcp_state {
	JSG_TCP_NONE, /* no socket is in it */
	JSG_TCP_ESTABLISHED,
	JSG_TCP_SYN_SENT,
	JSG_TCP_SYN_RECV,
	JSG_TCP_FIN_WAIT1,
	JSG_TCP_FIN_WAIT2,
	JSG_TCP_TIME_WAIT,
	JSG_TCP_CLOSE,
	JSG_TCP_CLOSE_WAIT,
	JSG_TCP_LAST_ACK,
	JSG_TCP_LISTEN,
	JSG_TCP_CLOSING,
	JSG_TCP_NEW_SYN_RECV,
	JSG_TCP_BOUND_INACTIVE,
	JSG_STATES,
};
#define JSG_TRANSITION_CELLS (JSG_STATES * JSG_STATES)

/* A cell of the transition distribution; both states under JSG_STATES. */
JSG_INLINE __u32 jsg_transition_cell(__u32 old_state, __u32 new_state)
{
	return old_state * JSG_STATES + new_state;
}

/*
 * Occupancy: one cell for each (phase, age). The phases up to JSG_CELL_PHASES have cells, the
 * others none.
 */
enum jsg_phase {
	JSG_RESPONSE_MOVING,
	JSG_RESPONSE_STALLED,
	JSG_REQUEST_MOVING,
	JSG_REQUEST_STALLED,
	JSG_CLOSING,
	JSG_UNNOTICED,
	JSG_WAITING, /* last of the cells: occupancy is judged without it and with it */
	JSG_CELL_PHASES,
	JSG_IDLE = JSG_CELL_PHASES,
	JSG_NO_PHASE, /* a state in which a connection is not served: SYN_RECV, CLOSE */
	JSG_PHASES,
};
#define JSG_AGES 7 /* under 1 s, 1-2, 2-4, 4-8, 8-16, 16-32, 32 s and over */
#define JSG_PHASE_CELLS (JSG_CELL_PHASES * JSG_AGES)
#define JSG_JUDGED_CELLS (JSG_WAITING * JSG_AGES) /* those that are judged without waiting */
#define JSG_CELL_UNEXPECTED JSG_PHASE_CELLS /* the baseline's alone: more sockets than expected */
#define JSG_OCCUPANCY_CELLS (JSG_PHASE_CELLS + 1)
JSG_ASSERT(JSG_TRANSITION_CELLS <= 256 && JSG_OCCUPANCY_CELLS <= 256,
	   "the accuracy proof covers 256 cells");

#define JSG_SCHEMA_OFFSET 8 /* of the schema in the value of the map "config", in every version */

/*
 * What the detector is told; set before it is loaded, constant after. The one value of the map
 * "config", for readers.
 */
struct jsg_config {
	__u64 step_ns; /* how far a window slides */
	__u32 schema; /* JSG_SCHEMA; set by whoever writes the map */
	__u32 window_steps; /* length of a window in steps */
	__u32 learn_steps; /* learning time in steps */
	__u32 transition_threshold_nanobits; /* 0: from the spread while learning */
	__u32 occupancy_threshold_nanobits;
	__u32 chance_exponent; /* a normal window may be over by chance one time in 10^this */
	__u32 min_transitions; /* in the window, for a transition alert */
	__u32 min_sockets; /* excess of open sockets, for an occupancy alert */
	__u32 min_rate; /* bytes a second that make a request or a response a moving one */
	__u32 confirm_steps; /* consecutive steps over the threshold before an alert */
	__u32 clear_steps; /* consecutive steps under it before an alert clears */
	__u32 readings_per_service; /* counter readings kept, see jsg_readings_needed() */
	__u32 cpus; /* possible CPUs, whose counters are added up */
	__u32 netns; /* inode of the network namespace that is guarded; 0: every one */
	__u8 guard_listeners; /* 1: a port that begins to listen is guarded */
	__u8 has_rdonly_cast; /* 1: the kernel offers bpf_rdonly_cast (6.2 and later) */
	__u8 reserved[6];
	__u64 instance; /* of the detector: no other one has it, before or after */
	__u64 program_hash; /* of the BPF object that it was loaded from */
	__u64 request_hash; /* of all that it was told, ports and baselines too */
};
JSG_ASSERT(sizeof(struct jsg_config) == 96, "jsg_config is packed by hand");
JSG_ASSERT(__builtin_offsetof(struct jsg_config, schema) == JSG_SCHEMA_OFFSET,
	   "a program of any version finds the schema where it looks for it");

/* What a service does now. */
enum jsg_mode {
	JSG_FREE, /* no service in this place */
	JSG_LEARNING, /* gathers its baseline; nothing is judged */
	JSG_LEARNING_ON, /* showed too little: judged against the built-in occupancy baseline, goes
			    on learning */
	JSG_GUARDING, /* judged against its own baseline */
	JSG_LEAVING, /* the port is no longer used: the place is being cleared */
};

/* What was found of one signal in one window, and if it is no reason for an alert, why not. */
enum jsg_verdict {
	JSG_NOTHING_SEEN, /* an empty window has no distribution: no verdict */
	JSG_NOT_JUDGED, /* still learning: no verdict */
	JSG_NOT_ENOUGH_TRAFFIC, /* under min_transitions, or chance explains the divergence: no
				   verdict */
	JSG_NORMAL, /* under the threshold, and no excess */
	JSG_MOVING, /* more sockets than expected, but not of those that make no progress */
	JSG_EXCESS_ONLY, /* more sockets than usual, of phases and ages that are normal, or may be
			    by chance */
	JSG_NO_EXCESS, /* over the threshold, with no more sockets than are usual */
	JSG_UNBALANCED, /* over the threshold, but connections mostly open or mostly close, now or
			   in the baseline */
	JSG_OVER, /* over the threshold, with the evidence: counts towards an alert */
	JSG_VERDICTS,
};

enum jsg_alert_state {
	JSG_QUIET,
	JSG_CONFIRMING, /* over, but not for confirm_steps yet */
	JSG_ALERT, /* raised and not cleared */
};

enum jsg_signal {
	JSG_TRANSITIONS,
	JSG_OCCUPANCY,
	JSG_SIGNALS,
};

/*
 * One closed window of one service. Divergences and entropies are in billionths of a bit, mean
 * numbers of sockets in thousandths. Value of the map "windows", key jsg_window_key.
 */
struct jsg_window {
	__u64 sequence; /* of the service, from 1; a step each */
	__u64 end_ns; /* CLOCK_MONOTONIC */
	__u64 end_unix_ms;
	__u64 transition_kl_nanobits; /* of the window from the baseline, capped at 32 bits */
	__u64 occupancy_kl_nanobits;
	__u64 transition_entropy_nanobits; /* of the cells (old state, new state) */
	__u64 state_entropy_nanobits; /* of the states entered, 1..13 */
	__u64 state_entropy_trend_nanobits; /* its mean over the last JSG_TREND_WINDOWS windows */
	__u32 port;
	enum jsg_mode mode;
	__u32 transitions;
	__u32 sockets; /* live at the last look, idle ones too */
	__u32 idle_sockets; /* at the last look */
	__u32 waiting_sockets; /* at the last look */
	__u32 open_requests; /* in phase request at the last look */
	__u32 exchanges; /* connections accepted and answers seen in the window */
	__u32 open_millisockets; /* mean number that is judged: not idle, and waiting only if
				    with_waiting */
	__u32 expected_millisockets;
	__u32 excess_millisockets; /* open beyond twice the expected, or 0 */
	__u32 held_millisockets; /* of those open: that do not move */
	__u32 held_excess_millisockets; /* held beyond twice the expected, or 0 */
	__u32 looked_at_ppm; /* share of the live sockets that the last step looked at */
	__u32 transition_js_nanobits;
	__u32 occupancy_js_nanobits;
	__u32 transition_chance_nanobits; /* that chance alone gives to a normal window */
	__u32 occupancy_chance_nanobits;
	enum jsg_verdict transition_verdict;
	enum jsg_verdict occupancy_verdict;
	enum jsg_alert_state transition_alert;
	enum jsg_alert_state occupancy_alert;
	__u32 with_waiting; /* 1: the occupancy figures include the phase waiting */
	__u32 full_queues; /* listeners whose accept queue was full at the last look */
	__u32 sample_weight; /* sockets that each stands for that the last step looked at */
	__u32 reserved;
};
JSG_ASSERT(sizeof(struct jsg_window) == 168, "jsg_window is packed by hand");

#define JSG_WINDOWS_KEPT 1024
#define JSG_TREND_WINDOWS 16

struct jsg_window_key {
	__u32 service; /* 1..JSG_SERVICES */
	__u32 place; /* sequence modulo JSG_WINDOWS_KEPT */
};

/* State of one signal's alert. */
struct jsg_alert_track {
	__u64 since_unix_ms; /* first step over the threshold of the present run, or of the alert
				that is up */
	__u64 raised_ns; /* CLOCK_MONOTONIC, of the alert that is up */
	__u64 number; /* of the alert that is up */
	__u32 over_steps; /* consecutive */
	__u32 clear_steps; /* consecutive */
	__u32 peak_nanobits; /* of the steps over the threshold since the raise */
	enum jsg_alert_state state;
};
JSG_ASSERT(sizeof(struct jsg_alert_track) == 40, "jsg_alert_track is packed by hand");

/*
 * How far from normal the windows were while learning: each against what had been learned outside
 * it.
 */
struct jsg_spread {
	__u64 sum_microbits;
	__u64 sum_of_squares; /* in millionths of a bit, squared */
	__u32 windows;
	__u32 mean_nanobits;
	__u32 deviation_nanobits; /* standard deviation */
	__u32 maximum_nanobits;
};
JSG_ASSERT(sizeof(struct jsg_spread) == 32, "jsg_spread is packed by hand");

/*
 * What a service normally does, in raw counts. Value of the map "baselines", key: the service's
 * number.
 */
struct jsg_baseline {
	struct jsg_spread spread[JSG_SIGNALS]; /* by enum jsg_signal */
	__u32 learned_s; /* seconds that the counts were gathered over */
	__u32 queue_full_s; /* of them: an accept queue was full */
	__u32 transitions; /* total of transition_counts */
	__u32 exchanges; /* connections accepted and answers seen */
	__u32 judged_socket_seconds; /* total of the cells but waiting */
	__u32 waiting_socket_seconds;
	__u32 transition_counts[JSG_TRANSITION_CELLS]; /* by jsg_transition_cell() */
	__u32 occupancy_socket_seconds[JSG_PHASE_CELLS]; /* by phase * JSG_AGES + age */
	__u32 reserved;
};
JSG_ASSERT(sizeof(struct jsg_baseline) == JSG_SIGNALS * sizeof(struct jsg_spread) + 24 +
						  4 * (JSG_TRANSITION_CELLS + JSG_PHASE_CELLS + 1),
	   "jsg_baseline is packed by hand");
JSG_ASSERT(sizeof(struct jsg_baseline) % 8 == 0, "jsg_baseline has no padding");

/* A baseline is one when it has seen this much, and this many stays (chance.h). */
#define JSG_BASELINE_TRANSITIONS 100
#define JSG_BASELINE_SOCKET_SECONDS 30
#define JSG_BASELINE_STAYS 20

JSG_INLINE int jsg_baseline_complete(const struct jsg_baseline *baseline)
{
	return baseline->transitions >= JSG_BASELINE_TRANSITIONS &&
	       (__u64)baseline->judged_socket_seconds + baseline->waiting_socket_seconds >=
		       JSG_BASELINE_SOCKET_SECONDS;
}

/* Why what was learned may be an attack; bits of jsg_service.doubts. */
#define JSG_DOUBT_OLD_AND_SILENT                                                                   \
	1 /* most sockets that were not idle: from JSG_OLD_S on, not moving */
#define JSG_DOUBT_QUEUE_FULL 2 /* an accept queue was, too often: JSG_QUEUE_FULL_SHARE */
#define JSG_DOUBT_UNBALANCED                                                                       \
	4 /* no attack, but connections mostly opened, or mostly closed: no                        \
	     measure of transitions */
#define JSG_DOUBTS_LIKE_ATTACK (JSG_DOUBT_OLD_AND_SILENT | JSG_DOUBT_QUEUE_FULL)
#define JSG_OLD_S 8
#define JSG_QUEUE_FULL_SHARE 10 /* one step in so many */

/* One guarded port. Value of the map "services", whose key is the service's number. */
struct jsg_service {
	__u64 started_ns; /* CLOCK_MONOTONIC */
	__u64 sequence; /* of the last window closed */
	__u64 last_used_ns; /* when a listener or a socket was last seen */
	__u64 untracked_opened; /* the counters' readings at the last step */
	__u64 untracked_closed;
	__u64 trend_sum_nanobits;
	__u64 trend_nanobits[JSG_TREND_WINDOWS];
	struct jsg_alert_track alerts[JSG_SIGNALS];
	__u32 threshold_nanobits[JSG_SIGNALS]; /* by enum jsg_signal; 0: not set yet */
	__u32 port;
	enum jsg_mode mode;
	__u32 stays; /* 1: named by the user, keeps its place though nobody listens */
	__u32 learned_steps; /* of the baseline that is being learned, or was last */
	__u32 relearning; /* 1: on guard, and learning anew */
	__u32 relearn_request; /* number of the last one taken up */
	__u32 baselines_learned; /* since the place was taken */
	__u32 doubts; /* JSG_DOUBT_..., of the baseline in force */
	__u32 quiet_steps; /* consecutive steps fit to be learned */
	__u32 listeners;
	__u32 sockets;
	__u32 untracked_sockets; /* live ones that found no slot, as far as can be told */
};
JSG_ASSERT(sizeof(struct jsg_service) == 312, "jsg_service is packed by hand");

/* Whether an alert of either signal is up. */
JSG_INLINE int jsg_alert_is_up(const struct jsg_service *service)
{
	return service->alerts[JSG_TRANSITIONS].state == JSG_ALERT ||
	       service->alerts[JSG_OCCUPANCY].state == JSG_ALERT;
}

/*
 * What programs outside ask of the detector. The one value of the map "requests"; written from
 * outside alone.
 */
struct jsg_requests {
	__u32 relearn; /* a new number: every service learns its baseline anew */
	__u32 reserved;
};

/* A cell that speaks for an alert. Shares in billionths of the distribution. */
struct jsg_top_cell {
	__u32 cell; /* of the alert's signal */
	__u32 window_ppb;
	__u32 baseline_ppb;
	__u32 nanobits; /* its part of the divergence */
};
#define JSG_TOP_CELLS 5

/*
 * Where sockets of the deviating cells come from: an IPv4 address, or the first 64 bits of an IPv6
 * one.
 */
struct jsg_source {
	__u8 address[8]; /* network order */
	__u32 prefix_bits; /* 32: IPv4, in the first four bytes; 64: IPv6 */
	__u32 sockets;
};
JSG_ASSERT(sizeof(struct jsg_source) == 16, "jsg_source is packed by hand");
#define JSG_TOP_SOURCES 5

/* The sources of one service at one step's looks; context, never a verdict. */
struct jsg_sources {
	__u32 sockets; /* looked at in the cells that deviate */
	__u32 distinct; /* sources that these come from */
	__u32 top_count; /* used entries of top, most sockets first */
	__u32 inexact; /* 1: more sources than places, so counts are too low, and distinct is about
			*/
	struct jsg_source top[JSG_TOP_SOURCES];
};

enum jsg_event {
	JSG_RAISE,
	JSG_CLEAR,
};

/*
 * What the ring buffer "alerts" carries, and nothing else. What no loader has read yet stays in it.
 */
struct jsg_alert {
	__u64 number; /* of this detector, from 1; a clear bears that of its raise */
	__u64 at_unix_ms;
	__u64 since_unix_ms; /* first step over the threshold */
	__u64 duration_ns; /* of a clear: time since its raise; of a raise 0 */
	enum jsg_event event;
	enum jsg_signal signal;
	__u32 netns; /* inode of the one network namespace that is guarded, or 0 */
	__u32 port;
	__u32 js_nanobits;
	__u32 threshold_nanobits;
	__u32 chance_nanobits; /* that chance alone gives to a normal window */
	__u32 peak_nanobits; /* largest divergence of a step over the threshold since the raise */
	__u32 window_s;
	__u32 transitions;
	__u32 sockets;
	__u32 open_requests;
	__u32 open_millisockets;
	__u32 expected_millisockets;
	__u32 held_millisockets;
	__u32 top_count; /* used entries of top, largest part first */
	struct jsg_top_cell top[JSG_TOP_CELLS];
	struct jsg_sources sources;
};
JSG_ASSERT(sizeof(struct jsg_alert) == 272, "jsg_alert is packed by hand");

/* What was lost or left out, since the start. The one value of the map "stats". */
struct jsg_stats {
	__u64 unknown_states; /* transitions from or to a state over 13 */
	__u64 services_refused; /* ports that began to listen and found no place */
	__u64 sockets_untracked; /* accepted sockets that found no slot: counted, never looked at */
	__u64 transitions_late; /* missed when they happened, see jsguard.bpf.c, and counted later
				 */
	__u64 alerts_lost; /* the ring buffer was full */
	__u64 windows_lost; /* the map of records took no more */
	__u64 steps_late; /* the clock was more than a whole step late */
	__u64 sources_lost; /* that gave their place to another while they were counted */
	__u64 not_enough_traffic; /* windows with that verdict, of each signal */
	__u64 windows; /* closed, all services */
	__u64 transitions; /* in them: counted since the start, all guarded services */
	__u64 alerts; /* raised */
};

/*
 * What the timer's callbacks took, from their first to their last read of the clock, interrupts
 * included: the kernel's run statistics leave them out. The one value of the map "ticks".
 */
struct jsg_ticks {
	__u64 count;
	__u64 total_ns;
	__u64 longest_ns;
	__u64 last_ns; /* when the last one ended, CLOCK_MONOTONIC */
};

/*
 * How many steps late a step is learned while learning on, or anew: so many that an alert is raised
 * before its beginning is learned, and that no step of the present window is learned yet.
 */
#define JSG_LEARN_DELAY_STEPS 10

JSG_INLINE __u32 jsg_learn_delay(__u32 window_steps)
{
	return window_steps > JSG_LEARN_DELAY_STEPS ? window_steps : JSG_LEARN_DELAY_STEPS;
}

/*
 * One service's counters on one CPU, written by its transitions alone; they only grow, modulo 2^32.
 * Value of the map "counters", key: the service's number.
 */
struct jsg_counters {
	__u32 transitions[JSG_TRANSITION_CELLS];
};

/*
 * All counters of one service at the close of one step, modulo 2^32: a window is a difference of
 * two. Value of the map "readings", key jsg_reading_index().
 */
struct jsg_reading {
	__u32 transitions[JSG_TRANSITION_CELLS];
	__u32 occupancy[JSG_PHASE_CELLS]; /* sockets looked at, by cell */
	__u32 answers;
	__u32 full_queue_steps; /* whose looks found an accept queue full */
};

/* Where the reading of that sequence number is, while it is one of the last `kept`. */
JSG_INLINE __u32 jsg_reading_index(__u32 service, __u64 sequence, __u32 kept)
{
	return service * kept + (__u32)(sequence % kept);
}

/* Readings that a service needs: of the window's both ends, and of a step that is learned late. */
JSG_INLINE __u32 jsg_readings_needed(__u32 window_steps)
{
	return jsg_learn_delay(window_steps) + 2;
}

#endif
