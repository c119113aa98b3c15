/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* tcp.bpf.h: the kernel types that the programs read (CO-RE), and the reading of a socket. */
#ifndef JSG_TCP_BPF_H
#define JSG_TCP_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#include "occupancy.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

enum sock_flags {
	SOCK_DEAD,
	SOCK_DONE, /* the peer's FIN has arrived: tcp_fin() in net/ipv4/tcp_input.c */
};

struct ns_common {
	unsigned int inum;
};

struct net {
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct in6_addr {
	__u8 bytes[16]; /* the kernel's in6_u */
};

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	atomic_t refs;
} refcount_t;

struct sock_common {
	__be32 skc_daddr;
	unsigned short skc_num; /* local port, host order; 0 once closed */
	unsigned short skc_family;
	unsigned char skc_state;
	unsigned long skc_flags;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	refcount_t skc_refcnt;
};

struct sock {
	struct sock_common __sk_common;
	__u32 sk_ack_backlog;
	__u32 sk_max_ack_backlog;
	__u16 sk_protocol;
	__u8 sk_userlocks : 4; /* since 6.5 a whole byte */
};

struct inet_sock {
	struct sock sk;
	__be16 inet_sport;
};

struct inet_connection_sock {
	struct inet_sock icsk_inet;
	struct {
		__u32 lrcvtime;
	} icsk_ack;
};

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	__u64 bytes_sent;
	__u64 bytes_received;
	__u64 bytes_acked;
	__u32 rcv_nxt;
	__u32 write_seq;
	__u32 snd_una;
	__u32 lsndtime;
};

struct bpf_iter_meta {
	void *seq;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

#pragma clang attribute pop

/* include/linux/socket.h: AF_INET6. */
#define SOCKET_FAMILY_IPV6 10

/* include/uapi/linux/in.h */
#define IPPROTO_TCP 6

/* include/net/sock.h: somebody called bind() with a port. */
#define SOCK_BINDPORT_LOCK 8

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

/*
 * A port as a number. The barrier hides the number's range from the compiler. Otherwise the
 * compiler would drop the mask that bounds the index of the port table. The verifier of 6.1 needs
 * this mask, because it does not see that a swapped number has 16 bits.
 */
static __always_inline __u32 port_number(__be16 port)
{
	__u32 number = bpf_ntohs(port);

	barrier_var(number);
	return number;
}

/* Whether more connections wait for accept() than the listener allows (sk_acceptq_is_full). */
static __always_inline int accept_queue_is_full(__u64 address)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)address;

	return BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.sk_ack_backlog) >
	       BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.sk_max_ack_backlog);
}

/* Whether a socket's memory is free: nothing refers to it any more. */
static __always_inline int is_freed(__u64 address)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)address;

	return !BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.__sk_common.skc_refcnt.refs.counter);
}

/*
 * Reads a socket by its remembered address. The socket may be freed by now. TCP sockets are
 * type-safe under RCU, and a read that faults gives 0. So the worst case is a sample of another
 * socket.
 */
static __always_inline void read_by_cast(struct jsg_tcp *out, __u64 address)
{
	const struct tcp_sock *tp =
		bpf_rdonly_cast((void *)address, bpf_core_type_id_kernel(struct tcp_sock));

	out->bytes_sent = tp->bytes_sent;
	out->bytes_received = tp->bytes_received;
	out->bytes_acked = tp->bytes_acked;
	out->write_seq = tp->write_seq;
	out->snd_una = tp->snd_una;
	out->lsndtime = tp->lsndtime;
	out->lrcvtime = tp->inet_conn.icsk_ack.lrcvtime;
	out->state = tp->inet_conn.icsk_inet.sk.__sk_common.skc_state;
	out->port = tp->inet_conn.icsk_inet.sk.__sk_common.skc_num;
}

/* The same for kernels without bpf_rdonly_cast (before 6.2). */
static __always_inline void read_by_probe(struct jsg_tcp *out, __u64 address)
{
	const struct tcp_sock *tp = (const struct tcp_sock *)address;

	out->bytes_sent = BPF_CORE_READ(tp, bytes_sent);
	out->bytes_received = BPF_CORE_READ(tp, bytes_received);
	out->bytes_acked = BPF_CORE_READ(tp, bytes_acked);
	out->write_seq = BPF_CORE_READ(tp, write_seq);
	out->snd_una = BPF_CORE_READ(tp, snd_una);
	out->lsndtime = BPF_CORE_READ(tp, lsndtime);
	out->lrcvtime = BPF_CORE_READ(tp, inet_conn.icsk_ack.lrcvtime);
	out->state = BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.__sk_common.skc_state);
	out->port = BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.__sk_common.skc_num);
}

#endif
