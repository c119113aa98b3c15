/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* jsguard.h: the contract with user space: all that crosses a map or the ring buffer. */
#ifndef JSGUARD_H
#define JSGUARD_H

#include "fixed_point.h"

/* The version of all layouts below. A reader of another version must not read them. */
#define JSG_SCHEMA 6

/* A service is a monitored local port. Its ID is 1..JSG_SERVICES; 0 means "not monitored". */
#define JSG_SERVICES 64
#define JSG_SERVICE_ENTRIES (JSG_SERVICES + 1)
#define JSG_PORTS 65536

/* Baselines that are kept for ports without a service entry, at least. */
#define JSG_SAVED_BASELINES 4096

/* Transitions: one cell for each pair of states, numbered as in include/net/tcp_states.h. */
enum jsg_tcp_state {
	JSG_TCP_NONE, /* no socket is in this state */
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

/* The cell of a transition. Domain: both states below JSG_STATES. */
JSG_INLINE __u32 jsg_transition_cell(__u32 old_state, __u32 new_state)
{
	return old_state * JSG_STATES + new_state;
}

/*
 * Occupancy: one cell for each (phase, age). A request or a response is *moving* if it makes at
 * least min_rate bytes a second, and *slow* otherwise. Sockets in a phase that is not moving are
 * *stalled*. The phases from JSG_CELL_PHASES on have no cells.
 */
enum jsg_phase {
	JSG_RESPONSE_MOVING,
	JSG_RESPONSE_SLOW,
	JSG_REQUEST_MOVING,
	JSG_REQUEST_SLOW,
	JSG_CLOSING,
	JSG_HALF_CLOSED,
	JSG_WAITING, /* the last phase with cells: occupancy is judged without it and with it */
	JSG_CELL_PHASES,
	JSG_IDLE = JSG_CELL_PHASES,
	JSG_NO_PHASE, /* a state in which a connection is not served: SYN_RECV, CLOSE */
	JSG_PHASES,
};
#define JSG_AGES 7 /* under 1 s, 1-2, 2-4, 4-8, 8-16, 16-32, 32 s and over */
#define JSG_PHASE_CELLS (JSG_CELL_PHASES * JSG_AGES)
#define JSG_JUDGED_CELLS (JSG_WAITING * JSG_AGES) /* the cells that are judged without waiting */
#define JSG_CELL_EXCESS JSG_PHASE_CELLS /* of the baseline only: the excess sockets */
#define JSG_OCCUPANCY_CELLS (JSG_PHASE_CELLS + 1)
JSG_ASSERT(JSG_TRANSITION_CELLS <= 256 && JSG_OCCUPANCY_CELLS <= 256,
	   "the accuracy proof covers 256 cells");

enum jsg_signal {
	JSG_TRANSITIONS,
	JSG_OCCUPANCY,
	JSG_SIGNALS,
};

/* The offset of the schema in the value of the map "config", in every version. */
#define JSG_SCHEMA_OFFSET 8

/* The detector's configuration, constant while it runs. The one value of the map "config". */
struct jsg_config {
	__u64 step_ns; /* how far a window slides */
	__u32 schema; /* JSG_SCHEMA; set by whoever writes the map */
	__u32 window_steps; /* length of a window in steps */
	__u32 learn_steps; /* learning time in steps */
	__u32 transition_threshold_nanobits; /* 0: from the spread while learning */
	__u32 occupancy_threshold_nanobits;
	__u32 false_alarm_exponent; /* the false-positive probability per window is 10^-this */
	__u32 min_transitions; /* in the window, for a transition alert */
	__u32 min_sockets; /* excess of open sockets, for an occupancy alert */
	__u32 min_rate; /* bytes a second from which a request or a response is moving */
	__u32 confirm_steps; /* consecutive steps above the threshold that raise an alert */
	__u32 clear_steps; /* consecutive steps below the threshold that clear an alert */
	__u32 readings_per_service; /* counter readings kept, see jsg_readings_needed() */
	__u32 cpus; /* possible CPUs, whose counters are added up */
	__u32 netns; /* inode of the network namespace that is monitored; 0: all of them */
	__u8 monitor_listeners; /* 1: every port with an accepted connection is monitored */
	__u8 has_rdonly_cast; /* 1: the kernel offers bpf_rdonly_cast (6.2 and later) */
	__u8 reserved[2];
	__u32 release_after_s; /* an unused port loses its service entry after this time */
	__u64 instance; /* unique for this detector */
	__u64 program_hash; /* of the BPF object that the programs were loaded from */
	__u64 options_hash; /* of all options, ports and baselines included */
};
JSG_ASSERT(sizeof(struct jsg_config) == 96, "jsg_config is packed by hand");
JSG_ASSERT(__builtin_offsetof(struct jsg_config, schema) == JSG_SCHEMA_OFFSET,
	   "a program of any version finds the schema at the offset where it expects it");

/* What a service does now. */
enum jsg_mode {
	JSG_FREE, /* the service entry is free */
	JSG_LEARNING, /* gathers its baseline; nothing is judged */
	JSG_STILL_LEARNING, /* not enough traffic so far: uses the generic baseline, and learns */
	JSG_MONITORING, /* is judged by its own baseline */
	JSG_LEAVING, /* the port is no longer used: the entry is being released */
};

/* The verdict on one signal in one window. Only JSG_ABOVE counts towards an alert. */
enum jsg_verdict {
	JSG_NOTHING_SEEN, /* the window is empty and has no distribution: no verdict */
	JSG_NOT_JUDGED, /* still learning: no verdict */
	JSG_NOT_ENOUGH_TRAFFIC, /* fewer than min_transitions, or a divergence within the
				   significance bound: no verdict */
	JSG_NORMAL, /* below the threshold, and no excess */
	JSG_MOVING, /* more open sockets than expected, but not more stalled ones */
	JSG_EXCESS_ONLY, /* more stalled sockets than expected, but a divergence that is too small
			    or within the significance bound */
	JSG_NO_EXCESS, /* above the threshold, but not more sockets than expected */
	JSG_UNBALANCED, /* above the threshold, but in the window or in the baseline connections
			   mostly open or mostly close */
	JSG_ABOVE, /* above the threshold, with the evidence */
	JSG_VERDICTS,
};

enum jsg_alert_state {
	JSG_QUIET,
	JSG_CONFIRMING, /* above the threshold, but for less than confirm_steps so far */
	JSG_ALERT, /* raised and not cleared */
};

/* What a window shows of one signal. Divergences are in billionths of a bit. */
struct jsg_window_signal {
	__u64 kl_nanobits; /* Kullback-Leibler, of the window from the baseline; at most 32 bits */
	__u32 js_nanobits; /* Jensen-Shannon */
	__u32 significance_nanobits; /* the significance bound */
	enum jsg_verdict verdict;
	enum jsg_alert_state alert;
};
JSG_ASSERT(sizeof(struct jsg_window_signal) == 24, "jsg_window_signal is packed by hand");

/*
 * One closed window of one service. Entropies are in billionths of a bit, mean numbers of sockets
 * in thousandths. Value of the map "windows", key jsg_window_key.
 */
struct jsg_window {
	__u64 sequence; /* of the service, from 1; one for each step */
	__u64 end_ns; /* CLOCK_MONOTONIC */
	__u64 end_unix_ms;
	__u64 transition_entropy_nanobits; /* of the cells (old state, new state) */
	__u64 state_entropy_nanobits; /* of the states entered, 1..13 */
	__u64 state_entropy_trend_nanobits; /* its mean over the last JSG_TREND_WINDOWS windows */
	struct jsg_window_signal signal[JSG_SIGNALS]; /* by enum jsg_signal */
	__u32 port;
	enum jsg_mode mode;
	__u32 transitions;
	__u32 sockets; /* live at the last sample, idle ones included */
	__u32 idle_sockets; /* at the last sample */
	__u32 waiting_sockets; /* at the last sample */
	__u32 open_requests; /* in phase request at the last sample */
	__u32 exchanges; /* connections accepted and answers seen in the window */
	__u32 open_millisockets; /* mean number that is judged: without idle sockets, and without
				    waiting ones unless with_waiting is set */
	__u32 expected_millisockets;
	__u32 excess_millisockets; /* open sockets above twice the expected number, or 0 */
	__u32 stalled_millisockets; /* the stalled ones among the open sockets */
	__u32 stalled_excess_millisockets; /* above twice the expected number, or 0 */
	__u32 sampled_ppm; /* share of the live sockets that the last step sampled */
	__u32 with_waiting; /* 1: the occupancy figures include the phase waiting */
	__u32 full_queues; /* listeners whose accept queue was full at the last sample */
	__u32 sample_weight; /* number of sockets that each sampled socket represents */
	__u32 reserved;
};
JSG_ASSERT(sizeof(struct jsg_window) == 168, "jsg_window is packed by hand");

#define JSG_WINDOWS_KEPT 1024
#define JSG_TREND_WINDOWS 16

struct jsg_window_key {
	__u32 service_id; /* 1..JSG_SERVICES */
	__u32 index; /* sequence modulo JSG_WINDOWS_KEPT */
};

/* The state of one signal's alert. An alert is *up* when it is raised and not yet cleared. */
struct jsg_alert_track {
	__u64 since_unix_ms; /* first step above the threshold: of the alert that is up, or else of
				the current row of such steps */
	__u64 raised_ns; /* CLOCK_MONOTONIC, of the alert that is up */
	__u64 number; /* of the alert that is up */
	__u32 above_steps; /* consecutive */
	__u32 clear_steps; /* consecutive */
	__u32 peak_nanobits; /* largest divergence of a step above the threshold since the raise */
	enum jsg_alert_state state;
};
JSG_ASSERT(sizeof(struct jsg_alert_track) == 40, "jsg_alert_track is packed by hand");

/* How the divergences spread while learning: each window against what was learned outside it. */
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
 * What a service normally does, in raw counts. Value of the maps "baselines" (in force) and
 * "pending_baselines" (being learned), key: the service ID.
 */
struct jsg_baseline {
	struct jsg_spread spread[JSG_SIGNALS]; /* by enum jsg_signal */
	__u32 learned_s; /* seconds over which the counts were gathered */
	__u32 queue_full_s; /* the part of learned_s in which an accept queue was full */
	__u32 transitions; /* total of transition_counts */
	__u32 exchanges; /* connections accepted and answers seen */
	__u32 judged_socket_seconds; /* total of the cells without waiting */
	__u32 waiting_socket_seconds;
	__u32 transition_counts[JSG_TRANSITION_CELLS]; /* by jsg_transition_cell() */
	__u32 occupancy_socket_seconds[JSG_PHASE_CELLS]; /* by phase * JSG_AGES + age */
	__u32 reserved;
};
JSG_ASSERT(sizeof(struct jsg_baseline) == JSG_SIGNALS * sizeof(struct jsg_spread) + 24 +
						  4 * (JSG_TRANSITION_CELLS + JSG_PHASE_CELLS + 1),
	   "jsg_baseline is packed by hand");
JSG_ASSERT(sizeof(struct jsg_baseline) % 8 == 0, "jsg_baseline has no padding");

/* A complete baseline has at least these numbers. significance.h counts the episodes. */
#define JSG_BASELINE_TRANSITIONS 100
#define JSG_BASELINE_SOCKET_SECONDS 30
#define JSG_BASELINE_EPISODES 20

JSG_INLINE int jsg_baseline_complete(const struct jsg_baseline *baseline)
{
	return baseline->transitions >= JSG_BASELINE_TRANSITIONS &&
	       (__u64)baseline->judged_socket_seconds + baseline->waiting_socket_seconds >=
		       JSG_BASELINE_SOCKET_SECONDS;
}

/* Warnings about a baseline, as bits of jsg_service.warnings. */
#define JSG_WARN_OLD_AND_STALLED 1 /* most sockets were stalled for JSG_OLD_S or longer */
#define JSG_WARN_QUEUE_FULL 2 /* an accept queue was full in more than 1 of 10 steps */
/* Connections mostly opened or mostly closed: no attack, but no measure of transitions. */
#define JSG_WARN_UNBALANCED 4
#define JSG_WARN_LIKE_ATTACK (JSG_WARN_OLD_AND_STALLED | JSG_WARN_QUEUE_FULL)
#define JSG_OLD_S 8
#define JSG_QUEUE_FULL_SHARE 10 /* JSG_WARN_QUEUE_FULL: in more than one of this many steps */

/* One monitored port. Value of the map "services", key: the service ID. */
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
	enum jsg_mode mode_before; /* of a leaving one: what it was before */
	__u32 pinned; /* 1: named by the operator, keeps its entry though nobody listens */
	__u32 learned_steps; /* of the pending baseline, or of the last one that was learned */
	__u32 relearning; /* 1: monitored, and learning a new baseline at the same time */
	__u32 relearn_request; /* number of the last request to relearn that was taken up */
	__u32 baselines_learned; /* since the entry was claimed */
	__u32 warnings; /* JSG_WARN_..., about the baseline in force */
	__u32 quiet_steps; /* consecutive steps that may be learned */
	__u32 listeners;
	__u32 sockets;
	__u32 untracked_sockets; /* live sockets without a slot, as far as that is known */
	__u32 reserved;
};
JSG_ASSERT(sizeof(struct jsg_service) == 320, "jsg_service is packed by hand");

/* Whether an alert of either signal is up. */
JSG_INLINE int jsg_alert_is_up(const struct jsg_service *service)
{
	return service->alerts[JSG_TRANSITIONS].state == JSG_ALERT ||
	       service->alerts[JSG_OCCUPANCY].state == JSG_ALERT;
}

/* What other programs ask the detector to do. The one value of the map "control". */
struct jsg_control {
	__u32 relearn; /* when this number changes, every service learns a new baseline */
	__u32 reserved;
};

/* A cell that contributes to an alert. Shares are in billionths of the distribution. */
struct jsg_top_cell {
	__u32 cell; /* of the alert's signal */
	__u32 window_ppb;
	__u32 baseline_ppb;
	__u32 nanobits; /* its part of the divergence */
};
#define JSG_TOP_CELLS 5

/* A source of sockets: an IPv4 address, or the first 64 bits of an IPv6 address. */
struct jsg_source {
	__u8 address[8]; /* network order */
	__u32 prefix_bits; /* 32: IPv4, in the first four bytes; 64: IPv6 */
	__u32 sockets;
};
JSG_ASSERT(sizeof(struct jsg_source) == 16, "jsg_source is packed by hand");
#define JSG_TOP_SOURCES 5

/*
 * The sources of one service. They are context and no part of a verdict. Occupancy: of the sockets
 * that one step's samples found in deviating cells. Transitions: of the connections that ended in a
 * deviating way since the first verdict *above*, without its step.
 */
struct jsg_sources {
	__u32 sockets;
	__u32 distinct; /* number of their sources */
	__u32 top_count; /* used entries of top; the source with the most sockets comes first */
	__u32 inexact; /* 1: more sources than entries, so sockets are missing; distinct is rough */
	struct jsg_source top[JSG_TOP_SOURCES];
};

enum jsg_event {
	JSG_RAISE,
	JSG_CLEAR,
};

/*
 * A record of the ring buffer "alerts", which carries nothing else. A record that no loader has
 * read yet stays in the ring buffer.
 */
struct jsg_alert {
	__u64 number; /* of this detector, from 1; a clear has the number of its raise */
	__u64 at_unix_ms;
	__u64 since_unix_ms; /* first step above the threshold */
	__u64 duration_ns; /* of a clear: time since its raise; of a raise 0 */
	enum jsg_event event;
	enum jsg_signal signal;
	__u32 netns; /* inode of the only network namespace that is monitored, or 0 */
	__u32 port;
	__u32 js_nanobits;
	__u32 threshold_nanobits;
	__u32 significance_nanobits; /* the significance bound */
	__u32 peak_nanobits; /* largest divergence of a step above the threshold since the raise */
	__u32 window_s;
	__u32 transitions;
	__u32 sockets;
	__u32 open_requests;
	__u32 open_millisockets;
	__u32 expected_millisockets;
	__u32 stalled_millisockets;
	__u32 top_count; /* used entries of top; the cell with the largest part comes first */
	struct jsg_top_cell top[JSG_TOP_CELLS];
	struct jsg_sources sources;
};
JSG_ASSERT(sizeof(struct jsg_alert) == 272, "jsg_alert is packed by hand");

/* What was lost or left out since the start, and totals. The one value of the map "stats". */
struct jsg_stats {
	__u64 unknown_states; /* transitions from or to a state above 13 */
	__u64 services_refused; /* ports with connections that found no free service entry */
	__u64 sockets_untracked; /* accepted sockets without a slot: counted, never sampled */
	__u64 transitions_late; /* missed when they happened and counted later, see missed.bpf.h */
	__u64 alerts_lost; /* the ring buffer was full */
	__u64 windows_lost; /* the map of windows took no more records */
	__u64 steps_late; /* steps by which the clock was late */
	__u64 sources_lost; /* sources that lost their entry, and ends that found no room */
	__u64 baselines_lost; /* of ports that lost their entry: the map took no more */
	__u64 not_enough_traffic; /* verdicts of that kind, of both signals */
	__u64 windows; /* closed, of all services */
	__u64 transitions; /* counted since the start in these windows' steps, of all services */
	__u64 alerts; /* raised */
};

/*
 * Time that the timer's callbacks took, interrupts included. A callback reads the clock at its
 * start and at its end. The kernel's run statistics leave callbacks out. The one value of the map
 * "ticks".
 */
struct jsg_ticks {
	__u64 count;
	__u64 total_ns;
	__u64 longest_ns;
	__u64 last_ns; /* when the last callback ended, CLOCK_MONOTONIC */
};

/*
 * After the first learning time, a step is learned this many steps late. So an alert is raised
 * before the first steps of its attack are learned. No step of the present window is learned.
 */
#define JSG_LEARN_DELAY_STEPS 10

JSG_INLINE __u32 jsg_learn_delay(__u32 window_steps)
{
	return window_steps > JSG_LEARN_DELAY_STEPS ? window_steps : JSG_LEARN_DELAY_STEPS;
}

/*
 * One service's counters on one CPU. Only its transitions write them, and they only grow, modulo
 * 2^32. Value of the map "counters", key: the service ID.
 */
struct jsg_counters {
	__u32 transitions[JSG_TRANSITION_CELLS];
};

/*
 * All counters of one service at the end of one step, modulo 2^32. A window is the difference of
 * two readings. Value of the map "readings", key jsg_reading_index().
 */
struct jsg_reading {
	__u32 transitions[JSG_TRANSITION_CELLS];
	__u32 occupancy[JSG_PHASE_CELLS]; /* sampled sockets, by cell */
	__u32 answers;
	__u32 full_queue_steps; /* steps whose samples found an accept queue full */
};

/* The index of the reading with that sequence number, while it is one of the last `kept`. */
JSG_INLINE __u32 jsg_reading_index(__u32 service_id, __u64 sequence, __u32 kept)
{
	return service_id * kept + (__u32)(sequence % kept);
}

/* The number of readings that a service needs: for a window and for a step learned late. */
JSG_INLINE __u32 jsg_readings_needed(__u32 window_steps)
{
	return jsg_learn_delay(window_steps) + 2;
}

#endif
