/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kernel_replay.h: the kernel's code for a service's turn, in user space. It has its state in
 * globals as in the kernel: one replay in a process at a time.
 */
#ifndef KERNEL_REPLAY_H
#define KERNEL_REPLAY_H

#include "kernel/jsguard.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef void kernel_replay_alert_handler(void *context, const struct jsg_alert *alert);

/*
 * Forgets all there was, and takes what the detector is told; of which the number of CPUs and of
 * readings are its own. 0, or -1 if there is no memory. The handler must not throw.
 */
int kernel_replay_begin(const struct jsg_config *config, kernel_replay_alert_handler *handler,
			void *context);

/*
 * Puts a service into a place, 1..JSG_SERVICES. baseline and lesson: NULL for none. history: the
 * steps up to service->sequence that are known, oldest first. Its place is kept until it is
 * cleared.
 */
void kernel_replay_set_service(__u32 place, const struct jsg_service *service,
			       const struct jsg_baseline *baseline,
			       const struct jsg_baseline *lesson, const struct jsg_reading *history,
			       __u32 steps);
void kernel_replay_clear(__u32 place);

/* A step as it was recorded. */
struct kernel_replay_step {
	const struct jsg_window *record; /* of which the time and what the looks found are taken */
	const struct jsg_reading *counted; /* in the step */
	const __u32 *transitions; /* counted in its window, by cell */
	const __u32 *occupancy;
	__u32 listeners;
	__u32 relearn; /* 1: it was asked to learn anew before */
};

/* The turn that closes the step's window, whose sequence must be the next one. */
void kernel_replay_turn(__u32 place, const struct kernel_replay_step *step);

/*
 * So many windows are missing. What the service learns late begins anew, and no window that holds
 * missing steps goes into the spread.
 */
void kernel_replay_skip(__u32 place, __u64 windows);

/* Brings a baseline in force as if it had been learned now. */
void kernel_replay_bring_in_force(__u32 place, const struct jsg_baseline *baseline);

/* What was found by the last turn, and what the service is like now. */
const struct jsg_window *kernel_replay_window(__u32 place);
const struct jsg_service *kernel_replay_service(__u32 place);
const struct jsg_baseline *kernel_replay_baseline(__u32 place);
const struct jsg_baseline *kernel_replay_lesson(__u32 place);
/* How many steps up to now are known; and what the one that was so many ago, under that, counted.
 */
__u32 kernel_replay_known_steps(__u32 place);
void kernel_replay_past_step(__u32 place, __u32 ago, struct jsg_reading *counted);

#ifdef __cplusplus
}
#endif

#endif
