/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* simulated_detector.c: the detector's programs, compiled for user space, and their kernel. */

#define SLOT_BITS 14 /* enough for the simulated services */
#define JSG_CONFIG_CONST /* it is written when a simulation begins */
#define JSG_HAS_SOCKETS

#include <bpf/bpf_helpers.h>

static long simulated_loop(__u32 count, long (*callback)(__u32, void *), void *context,
			   __u64 flags);
#define bpf_loop simulated_loop

/* The BPF build does not have this warning. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "kernel/jsguard.bpf.c"
#pragma GCC diagnostic pop
#undef bpf_loop

#include <sys/mman.h>

#include "kernel/native/simulated_detector.h"

/* A socket of the simulated kernel. The programs know its address. */
struct simulated_socket {
	struct tcp_sock tcp;
	struct simulated_socket *next; /* of the free ones */
	__u32 owner;
	__u16 watched;
	__u16 *in_group; /* the number of sockets in the group of its slot, or NULL */
} __attribute__((aligned(64))); /* as in the kernel: slot_hash() expects the lowest bits to be 0 */

/*
 * The sockets are always at the same address. The address selects a socket's slot, and so the tick
 * that samples it. Another address in the next run would give other samples.
 */
#define SOCKETS_AT ((void *)0x200000000000UL)
#define MAX_SOCKETS 65536

static struct {
	struct simulated_hooks hooks;
	__u64 now_ns;
	__u64 due_ns; /* when the timer is due */
	int (*callback)(void *map, __u32 *key, struct jsg_clock *clock);
	struct simulated_socket *sockets;
	__u32 used; /* sockets that were opened at least once */
	struct simulated_socket *free;
	__u64 closed[JSG_SERVICE_ENTRIES]; /* windows of which `window` was called */
} kernel;

/*
 * The numbers of sockets in each group of slots. Walking over empty slots would take most of a
 * simulation's time, so the tick's loop skips the groups in which it would find none.
 */
static __u16 sockets_in_group[SLOTS / GROUP];

static __always_inline long simulated_loop(__u32 count, long (*callback)(__u32, void *),
					   void *context, __u64 flags)
{
	const struct jsg_walk *walk = context;

	if (callback != sample_group)
		return bpf_loop(count, callback, context, flags);
	for (__u32 i = 0; i < count; i++) {
		if (sockets_in_group[walk->first / GROUP + i])
			sample_group(i, context);
	}
	return count;
}

/* Called after a socket may have taken a slot. */
static void note_group(struct simulated_socket *socket)
{
	const struct jsg_slot *slot = slot_of((__u64)socket);

	if (socket->in_group || !slot)
		return;
	socket->in_group = &sockets_in_group[(slot - jsg_slots) / GROUP];
	++*socket->in_group;
}

/* The helpers that concern time, sockets and alerts. */

static __u64 bpf_ktime_get_ns(void)
{
	return kernel.now_ns;
}

#define NS_IN_JIFFY (4 * NS_IN_MS)

static __u64 bpf_jiffies64(void)
{
	return kernel.now_ns / NS_IN_JIFFY;
}

static long bpf_timer_init(struct bpf_timer *timer, void *map, __u64 flags)
{
	(void)timer;
	(void)flags;
	return map == &clocks ? 0 : -1;
}

static long bpf_timer_set_callback(struct bpf_timer *timer, void *callback)
{
	(void)timer;
	kernel.callback = callback;
	return 0;
}

static long bpf_timer_start(struct bpf_timer *timer, __u64 after_ns, __u64 flags)
{
	(void)timer;
	(void)flags;
	kernel.due_ns = kernel.now_ns + after_ns;
	return 0;
}

static struct tcp_sock *bpf_skc_to_tcp_sock(void *socket)
{
	return socket;
}

/* The windows and the replay of them show the alerts, so nobody reads the records. */
static long bpf_ringbuf_output(void *ring, void *record, __u64 size, __u64 flags)
{
	return ring == &alerts && record && size == sizeof(struct jsg_alert) && !flags ? 0 : -1;
}

/* The programs call this before they read a socket of which they have the address. */
void *bpf_rdonly_cast(const void *object, __u32 type)
{
	const struct simulated_socket *socket = object;

	(void)type;
	if (socket->watched)
		kernel.hooks.update(kernel.hooks.context, socket->owner);
	return (void *)(unsigned long)object;
}

/* The simulated detector. */

#define EMPTY(variable) memset((void *)&(variable), 0, sizeof(variable))

static void empty_globals(void)
{
	EMPTY(jsg_slots);
	EMPTY(jsg_late);
	EMPTY(jsg_service_of_port);
	EMPTY(jsg_ports_refused);
	EMPTY(jsg_entries_leaving);
	EMPTY(jsg_search);
	EMPTY(jsg_port_refused);
	EMPTY(jsg_port_untracked);
	EMPTY(jsg_now_ms);
	EMPTY(jsg_unix_offset_ns);
	EMPTY(jsg_all_adopted);
	EMPTY(jsg_since_jiffies);
	EMPTY(jsg_adopt_listeners);
	EMPTY(jsg_step_samples);
	EMPTY(jsg_sample_weight);
	EMPTY(jsg_source_entries);
	EMPTY(jsg_counted_sources);
	EMPTY(jsg_noted_ends);
	EMPTY(jsg_ends_noted);
	EMPTY(jsg_ends_counted);
	EMPTY(jsg_alert_number);
	EMPTY(jsg_work);
}

static void empty_maps(void)
{
	NATIVE_MAP_BEGIN(config, NATIVE_MAX_ENTRIES(config));
	NATIVE_MAP_BEGIN(control, NATIVE_MAX_ENTRIES(control));
	NATIVE_MAP_BEGIN(counters, NATIVE_MAX_ENTRIES(counters));
	NATIVE_MAP_BEGIN(scratch, NATIVE_MAX_ENTRIES(scratch));
	NATIVE_MAP_BEGIN(clocks, NATIVE_MAX_ENTRIES(clocks));
	NATIVE_MAP_BEGIN(ticks, NATIVE_MAX_ENTRIES(ticks));
	NATIVE_MAP_BEGIN(last_samples, NATIVE_MAX_ENTRIES(last_samples));
	NATIVE_MAP_BEGIN(services, NATIVE_MAX_ENTRIES(services));
	NATIVE_MAP_BEGIN(readings, JSG_SERVICE_ENTRIES * jsg_config.readings_per_service);
	NATIVE_MAP_BEGIN(baselines, NATIVE_MAX_ENTRIES(baselines));
	NATIVE_MAP_BEGIN(saved_baselines, NATIVE_MAX_ENTRIES(saved_baselines));
	NATIVE_MAP_BEGIN(pending_baselines, NATIVE_MAX_ENTRIES(pending_baselines));
	NATIVE_MAP_BEGIN(windows, NATIVE_MAX_ENTRIES(windows));
	NATIVE_MAP_BEGIN(stats, NATIVE_MAX_ENTRIES(stats));
}

/* Reserves the memory of the sockets, at the first call. */
static int reserve_sockets(void)
{
	if (!kernel.sockets) {
		void *found = mmap(SOCKETS_AT, MAX_SOCKETS * sizeof(struct simulated_socket),
				   PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (found != SOCKETS_AT)
			return -1;
		kernel.sockets = found;
	}
	kernel.used = 0;
	kernel.free = NULL;
	return 0;
}

int simulated_detector_begin(const struct jsg_config *wanted, const struct simulated_hooks *hooks,
			     __u64 now_ns)
{
	if (reserve_sockets())
		return -1;
	jsg_config = *wanted;
	jsg_config.cpus = 1;
	jsg_config.readings_per_service = jsg_readings_needed(wanted->window_steps);
	jsg_config.has_rdonly_cast = 1;
	EMPTY(kernel.closed);
	EMPTY(sockets_in_group);
	kernel.hooks = *hooks;
	kernel.now_ns = now_ns;
	empty_globals();
	empty_maps();
	jsg_now_ms = (__u32)(now_ns / NS_IN_MS);
	jsg_all_adopted = 1;
	return jsg_start(NULL);
}

/* Calls the hook `window` if the service whose step the last tick made closed a window. */
static void hand_over_window(__u32 service_id)
{
	const struct jsg_service *service = bpf_map_lookup_elem(&services, &service_id);
	struct jsg_window_key key = {.service_id = service_id};
	const struct jsg_window *record;

	if (service->sequence == kernel.closed[service_id])
		return;
	kernel.closed[service_id] = service->sequence;
	key.index = service->sequence % JSG_WINDOWS_KEPT;
	record = bpf_map_lookup_elem(&windows, &key);
	if (record)
		kernel.hooks.window(kernel.hooks.context, service_id, record,
				    reading_of(service_id, service->sequence));
}

void simulated_detector_run(__u64 now_ns)
{
	__u32 zero = 0;
	struct jsg_clock *clock = bpf_map_lookup_elem(&clocks, &zero);

	while (kernel.due_ns <= now_ns) {
		__u32 service_id = clock->tick + 1;

		kernel.now_ns = kernel.due_ns;
		kernel.callback(&clocks, &zero, clock);
		hand_over_window(service_id);
	}
	kernel.now_ns = now_ns;
}

__u64 simulated_detector_now_ns(void)
{
	return kernel.now_ns;
}

const struct jsg_stats *simulated_detector_stats(void)
{
	return all_stats();
}

__u32 simulated_detector_slots(void)
{
	return SLOTS;
}

/* Sockets. */

struct simulated_socket *simulated_socket_open(__u32 owner, __u16 port, __u32 peer)
{
	struct simulated_socket *socket;
	struct inet_sock *inet;

	if (kernel.free) {
		socket = kernel.free;
		kernel.free = socket->next;
	} else {
		if (kernel.used == MAX_SOCKETS)
			return NULL;
		socket = &kernel.sockets[kernel.used++];
	}
	memset(socket, 0, sizeof(*socket));
	socket->owner = owner;
	socket->tcp.rcv_nxt = 1;
	inet = &socket->tcp.inet_conn.icsk_inet;
	inet->inet_sport = bpf_htons(port);
	inet->sk.sk_protocol = IPPROTO_TCP;
	inet->sk.sk_max_ack_backlog = 128;
	inet->sk.__sk_common.skc_daddr = peer;
	inet->sk.__sk_common.skc_num = port;
	inet->sk.__sk_common.skc_family = 2; /* AF_INET */
	inet->sk.__sk_common.skc_state = JSG_TCP_LISTEN;
	inet->sk.__sk_common.skc_refcnt.refs.counter = 1;
	return socket;
}

void simulated_socket_write(struct simulated_socket *socket, const struct jsg_tcp *tcp)
{
	struct tcp_sock *tp = &socket->tcp;

	tp->bytes_sent = tcp->bytes_sent;
	tp->bytes_received = tcp->bytes_received;
	tp->bytes_acked = tcp->bytes_acked;
	tp->write_seq = tcp->write_seq;
	tp->snd_una = tcp->snd_una;
	tp->lsndtime = tcp->lsndtime;
	tp->inet_conn.icsk_ack.lrcvtime = tcp->lrcvtime;
}

void simulated_socket_watch(struct simulated_socket *socket, int watched)
{
	socket->watched = watched != 0;
}

void simulated_socket_enter(struct simulated_socket *socket, __u32 state)
{
	struct sock *sk = &socket->tcp.inet_conn.icsk_inet.sk;

	/* tcp_set_state() gives the port back before it calls the tracepoint. */
	if (state == JSG_TCP_CLOSE)
		sk->__sk_common.skc_num = 0;
	jsg_transition(sk, sk->__sk_common.skc_state, (int)state);
	note_group(socket);
	sk->__sk_common.skc_state = (unsigned char)state;
}

void simulated_socket_listen(struct simulated_socket *socket)
{
	struct sock *sk = &socket->tcp.inet_conn.icsk_inet.sk;

	sk->__sk_common.skc_state = JSG_TCP_CLOSE;
	simulated_socket_enter(socket, JSG_TCP_LISTEN);
}

void simulated_socket_destroy(struct simulated_socket *socket)
{
	struct sock *sk = &socket->tcp.inet_conn.icsk_inet.sk;

	jsg_destroy(sk);
	if (socket->in_group)
		--*socket->in_group;
	sk->__sk_common.skc_refcnt.refs.counter = 0;
	socket->watched = 0;
	socket->next = kernel.free;
	kernel.free = socket;
}
