/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * kernel_replay.h: the kernel's code for a service step, compiled for user space. Its state is in
 * globals as in the kernel, so a process can make one replay at a time.
 */
#ifndef KERNEL_REPLAY_H
#define KERNEL_REPLAY_H

#include "kernel/jsguard.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef void kernel_replay_alert_handler(void *context, const struct jsg_alert *alert);

/*
 * Resets all state and takes a configuration, except for the numbers of CPUs and of readings.
 * Returns 0, or -1 if there is no memory. The handler must not throw.
 */
int kernel_replay_begin(const struct jsg_config *config, kernel_replay_alert_handler *handler,
			void *context);

/*
 * Puts a service into the entry service_id, 1..JSG_SERVICES. It remains until the entry is cleared.
 * baseline and pending (the pending baseline) may be NULL. history: the known steps up to
 * service->sequence, oldest first.
 */
void kernel_replay_set_service(__u32 service_id, const struct jsg_service *service,
			       const struct jsg_baseline *baseline,
			       const struct jsg_baseline *pending,
			       const struct jsg_reading *history, __u32 steps);
void kernel_replay_clear(__u32 service_id);

/* A step as it was recorded. */
struct kernel_replay_step {
	const struct jsg_window *record; /* gives the time and what the samples found */
	const struct jsg_reading *counted; /* in the step */
	const __u32 *transitions; /* counted in its window, by cell */
	const __u32 *occupancy;
	__u32 listeners;
	__u32 relearn; /* 1: the service was asked to relearn before this step */
};

/* Makes the service step that closes the step's window, whose sequence number must be the next. */
void kernel_replay_service_step(__u32 service_id, const struct kernel_replay_step *step);

/*
 * Skips missing windows. Late learning starts again after them. No window with missing
 * steps goes into the spread.
 */
void kernel_replay_skip(__u32 service_id, __u64 windows);

/* Puts a baseline in force as if it had been learned now. */
void kernel_replay_bring_in_force(__u32 service_id, const struct jsg_baseline *baseline);

/* The last step's window, and the present state of the service. */
const struct jsg_window *kernel_replay_window(__u32 service_id);
const struct jsg_service *kernel_replay_service(__u32 service_id);
const struct jsg_baseline *kernel_replay_baseline(__u32 service_id);
const struct jsg_baseline *kernel_replay_pending_baseline(__u32 service_id);
/* The number of known steps up to now. Then: the counts of one of them (ago is below that number).
 */
__u32 kernel_replay_known_steps(__u32 service_id);
void kernel_replay_past_step(__u32 service_id, __u32 ago, struct jsg_reading *counted);

#ifdef __cplusplus
}
#endif

#endif
