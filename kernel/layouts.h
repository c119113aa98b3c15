/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* layouts.h: layouts that only the BPF programs use; outside, only tests read them. */
#ifndef JSG_LAYOUTS_H
#define JSG_LAYOUTS_H

#include "decision.h"
#include "js_divergence.h"
#include "jsguard.h"

/* What a port is mapped to, apart from service IDs, which are 1 to JSG_SERVICES. */
enum jsg_port_mapping {
	JSG_PORT_FREE = 0, /* no service; its first accepted connection claims one */
	JSG_PORT_CHANGING = 253, /* one CPU is changing the mapping */
	JSG_PORT_REFUSED = 254, /* found no free entry in this step */
	JSG_PORT_EXCLUDED = 255, /* must not have a service */
};
JSG_ASSERT(JSG_SERVICES < JSG_PORT_CHANGING, "a mapping is a service ID or one of these");

/*
 * A remembered socket. The fields after sk are one 64-bit word, which is 0 while the slot is being
 * taken or emptied. The state shows whether a transition was missed: if so, the next transition
 * begins in another state. A closed socket keeps its slot until it is destroyed.
 */
struct jsg_slot {
	__u64 sk;
	__u32 born_ms;
	__u8 service_id; /* 0: a listener whose port has no service */
	__u8 state; /* the state that the socket's last transition led to */
	__u8 was_there; /* 1: open before the detector, so its age is not known */
	__u8 reserved;
};
JSG_ASSERT(sizeof(struct jsg_slot) == 16, "jsg_slot is packed by hand");

/* Scratch space of the programs, on one CPU. */
struct jsg_scratch {
	__u64 transition_sk; /* address of the socket that jsg_transition runs for */
	__u64 preempted_sk; /* the same for jsg_preempted */
	__u64 destroy_sk; /* the same for jsg_destroy */
	__u64 untracked_sk; /* of the last socket that was counted and found no slot */
	__u64 existing_sk; /* the same as transition_sk, for jsg_existing */
};

/* What is counted late or rarely for one service, by any CPU. These counters only grow. */
struct jsg_late {
	__u32 transitions[JSG_TRANSITION_CELLS]; /* missed ones, modulo 2^32 */
	__u64 untracked_opened; /* accepted sockets that found no slot */
	__u64 untracked_closed; /* the destroyed ones among them, as far as that is known */
};

/* What the samples found for one service. */
struct jsg_step_samples {
	__u32 occupancy[JSG_PHASE_CELLS]; /* only grows, modulo 2^32 */
	__u32 answers; /* only grows */
	__u32 full_queue_steps; /* only grows */
	__u32 sockets; /* this field and the next ones: since the service's last window closed */
	__u32 sampled;
	__u32 idle; /* this field and the next two: each sampled socket counts with the weight */
	__u32 waiting;
	__u32 open_requests;
	__u32 listeners;
	__u32 closed; /* sockets that their processes have not closed yet */
	__u32 full_queues;
	__u32 silent_ms; /* for so long a listener waited for its port's first connection */
	__u32 leaves_early; /* 1: its port is to lose the entry, because entries are scarce */
	__u32 deviating_ends; /* one bit for each state: connections that end in it are noted */
	__u64 deviating_cells; /* one bit for each cell whose sources are counted */
};

/* Sources that are being counted for one service and signal. */
struct jsg_counted_sources {
	__u32 pass; /* number of this count */
	struct jsg_sources sources;
};

/* The number of a list of counted sources. List 0 belongs to no service. */
JSG_INLINE __u32 source_list(__u32 service_id, enum jsg_signal signal)
{
	return service_id * JSG_SIGNALS + signal;
}

/* A source of deviating sockets. */
struct jsg_source_entry {
	struct jsg_source source; /* its sockets in the pass */
	__u32 list; /* number of the list of counted sources; 0: the entry is free */
	__u32 pass; /* of the list, in which the source was last counted */
	__u32 seen_ms;
	__u32 reserved;
};
JSG_ASSERT(sizeof(struct jsg_source_entry) == 32, "jsg_source_entry is packed by hand");

/* A connection that ended in a deviating way. */
struct jsg_noted_end {
	__u64 source_key;
	__u32 prefix_bits;
	__u32 service_id; /* written last; 0: not written yet, or counted already */
};

/* The search for an entry that can be given back. */
struct jsg_search {
	__u64 oldest_ns; /* when `oldest` was last used */
	__u32 oldest; /* the service whose port has been unused for longest, or 0 */
	__u32 free; /* entries that are free or leaving */
	__u32 wanted; /* number of entries that are still to leave in this step */
	__u32 reserved;
};

/* What was counted between two readings. */
struct jsg_counts {
	struct jsg_reading cells;
	__u32 transitions; /* total */
	__u32 moving; /* the moving phases' part of judged */
	__u32 judged; /* total of the occupancy cells without waiting: sockets times steps */
	__u32 waiting;
	__u32 exchanges;
};

/* How far a window is from its baseline in one signal. */
struct jsg_distance {
	struct jsg_expectation sockets; /* occupancy only */
	__u64 kl_nanobits;
	__u64 entropy_nanobits;
	__u64 deviating_cells; /* one bit for each cell with more than normal; occupancy only */
	__u32 js_nanobits;
	__u32 significance_nanobits;
	__u32 cells; /* that either distribution has counts in */
	__u32 with_waiting;
};

/* Scratch space of a service step. */
struct jsg_work {
	struct jsg_counts counts; /* of the present window, or of the step that is being learned */
	struct jsg_baseline normal; /* what a window is compared with */
	__u32 p[JSG_CELLS_MAX]; /* the histograms that are being compared */
	__u32 q[JSG_CELLS_MAX];
	struct jsg_distance distance; /* result of the last comparison */
	struct jsg_distance signal[JSG_SIGNALS]; /* results of the window, by enum jsg_signal */
	struct jsg_window record;
	struct jsg_alert alert;
	struct jsg_sources sources[JSG_SIGNALS]; /* counted up to the last step */
	__u64 untracked_opened;
	__u64 untracked_closed;
};

#endif
