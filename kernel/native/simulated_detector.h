/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * simulated_detector.h: all programs of the detector, compiled for user space, with simulated
 * sockets and a simulated clock. Its state is in globals as in the kernel, so a process has one
 * simulated detector.
 */
#ifndef SIMULATED_DETECTOR_H
#define SIMULATED_DETECTOR_H

#include "kernel/jsguard.h"
#include "kernel/occupancy.h"

#ifdef __cplusplus
extern "C" {
#endif

#define JSG_SIMULATED __attribute__((visibility("default")))

/* What the detector calls. The functions must not throw. */
struct simulated_hooks {
	void *context;
	/* Brings a watched socket up to date, before it is sampled. owner: as given at its open. */
	void (*update)(void *context, __u32 owner);
	/* A service closed a window. reading: all its counters at the window's end. */
	void (*window)(void *context, __u32 service_id, const struct jsg_window *record,
		       const struct jsg_reading *reading);
};

/*
 * Resets all state, takes a configuration (except for the numbers of CPUs and of readings), and
 * starts the clock at now_ns. Sockets from before are gone. Returns 0, or an error: the memory of
 * the sockets is not free.
 */
JSG_SIMULATED int simulated_detector_begin(const struct jsg_config *config,
					   const struct simulated_hooks *hooks, __u64 now_ns);

/* Runs all ticks that are due up to that time, which is then the present time. */
JSG_SIMULATED void simulated_detector_run(__u64 now_ns);

JSG_SIMULATED __u64 simulated_detector_now_ns(void);
JSG_SIMULATED const struct jsg_stats *simulated_detector_stats(void);
/* The number of slots for sockets. It is smaller than in the kernel, because a walk takes time. */
JSG_SIMULATED __u32 simulated_detector_slots(void);

/* A socket. The simulator changes its bytes; the detector's programs see each change of state. */
struct simulated_socket;

/*
 * A socket in the state LISTEN: a listener, or a connection that is about to be accepted. NULL if
 * there are too many sockets.
 */
JSG_SIMULATED struct simulated_socket *simulated_socket_open(__u32 owner, __u16 port, __u32 peer);
/* Sets what a sample reads, except for the state and the port. */
JSG_SIMULATED void simulated_socket_write(struct simulated_socket *socket,
					  const struct jsg_tcp *tcp);
/* Watched: the hook `update` is called before each sample. */
JSG_SIMULATED void simulated_socket_watch(struct simulated_socket *socket, int watched);
/* Changes the state: the tracepoint comes first, as in the kernel. */
JSG_SIMULATED void simulated_socket_enter(struct simulated_socket *socket, __u32 state);
/* A listener begins to listen. */
JSG_SIMULATED void simulated_socket_listen(struct simulated_socket *socket);
/* Destroys a socket, which must be in the state CLOSE. */
JSG_SIMULATED void simulated_socket_destroy(struct simulated_socket *socket);

#ifdef __cplusplus
}
#endif

#endif
