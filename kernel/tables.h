/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* tables.h: layouts of the BPF program's own, which only the tests read from outside. */
#ifndef JSG_TABLES_H
#define JSG_TABLES_H

#include "decision.h"
#include "jsguard.h"

/*
 * A remembered socket. What follows sk is one word, and 0 while the slot is being taken or left.
 * The state tells of a transition that was missed: the next one then begins elsewhere. A socket
 * that is closed keeps its slot until it is destroyed.
 */
struct jsg_slot {
	__u64 sk;
	__u32 born_ms;
	__u8 service;
	__u8 state; /* that its last transition led to */
	__u8 was_there; /* 1: open before the detector, so its age is not known */
	__u8 reserved;
};
JSG_ASSERT(sizeof(struct jsg_slot) == 16, "jsg_slot is packed by hand");

/* The programs' work space, on one CPU. */
struct jsg_called {
	__u64 transition_sk; /* address of the socket that jsg_transition is called for */
	__u64 preempted_sk; /* likewise, of jsg_preempted */
	__u64 destroy_sk; /* likewise, of jsg_destroy */
	__u64 untracked_sk; /* of the last socket that was counted, and found no slot */
	__u64 existing_sk; /* likewise, of jsg_existing */
};

/* What is counted of one service late, or seldom; only grows. */
struct jsg_late {
	__u32 transitions[JSG_TRANSITION_CELLS]; /* that were missed, modulo 2^32 */
	__u64 untracked_opened; /* accepted sockets that found no slot */
	__u64 untracked_closed; /* of them, as far as can be told: destroyed */
};

/* What the looks found of one service. */
struct jsg_found {
	__u32 occupancy[JSG_PHASE_CELLS]; /* only grows, modulo 2^32 */
	__u32 answers; /* only grows */
	__u32 full_queue_steps; /* only grows */
	__u32 sockets; /* this and what follows: since the service's last window was closed */
	__u32 looked_at;
	__u32 idle; /* each that was looked at stands for as many as the sample leaves out */
	__u32 waiting;
	__u32 open_requests;
	__u32 listeners;
	__u32 closed; /* sockets that their processes have not closed yet */
	__u32 full_queues;
	__u32 pass; /* number of the looks between two windows */
	__u64 deviating_cells; /* a bit for each, whose sockets' sources are counted */
	struct jsg_sources sources;
};

/* A source of sockets in deviating cells. Written by the tick alone. */
struct jsg_source_place {
	struct jsg_source source; /* of the pass */
	__u32 service; /* 0: the place is free */
	__u32 pass; /* of the service that it was seen in last */
	__u32 seen_ms;
	__u32 reserved;
};
JSG_ASSERT(sizeof(struct jsg_source_place) == 32, "jsg_source_place is packed by hand");

/* What was counted between two readings. */
struct jsg_counts {
	struct jsg_reading cells;
	__u32 transitions; /* total */
	__u32 moving; /* of judged: in the moving phases */
	__u32 judged; /* total of the occupancy cells but waiting: sockets times steps */
	__u32 waiting;
	__u32 exchanges;
};

/* How far a window is from its baseline in one signal. */
struct jsg_distance {
	struct jsg_expectation sockets; /* occupancy only */
	__u64 kl_nanobits;
	__u64 entropy_nanobits;
	__u64 deviating_cells; /* a bit for each that the window has more of; occupancy only */
	__u32 js_nanobits;
	__u32 chance_nanobits;
	__u32 cells; /* that either has counts in */
	__u32 with_waiting;
};

#endif
