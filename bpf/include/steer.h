/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Handing a segment to a socket of the DUT, in tc programs. */
#ifndef SHOWDOWN_STEER_H
#define SHOWDOWN_STEER_H

#include "packet.h"

struct config {
	struct address origin;
	struct address listener;
	__u32 mark;
	__be16 port;
	__be16 listener_port;
};

/* enum in include/net/tcp_states.h, which user headers do not have. */
#define TCP_STATE_LISTEN 10

/* Hand the segment to the socket. The mark makes routing deliver it locally. */
static inline __attribute__((always_inline)) int assign(struct __sk_buff *skb, struct bpf_sock *sk, __u32 mark)
{
	long error = bpf_sk_assign(skb, sk, 0);

	bpf_sk_release(sk);
	if (error)
		return 0;
	skb->mark = mark;
	return 1;
}

static inline __attribute__((always_inline)) struct bpf_sock *
find(struct __sk_buff *skb, const struct address *saddr, __be16 sport, const struct address *daddr, __be16 dport)
{
	struct bpf_sock_tuple all = {};
#if IP_VERSION == 6
#define TUPLE all.ipv6
#else
#define TUPLE all.ipv4
#endif

	__builtin_memcpy(&TUPLE.saddr, saddr, sizeof(*saddr));
	__builtin_memcpy(&TUPLE.daddr, daddr, sizeof(*daddr));
	TUPLE.sport = sport;
	TUPLE.dport = dport;
	return bpf_skc_lookup_tcp(skb, &all, sizeof(TUPLE), BPF_F_CURRENT_NETNS, 0);
}

/* Whom a client's segment is for: its connection, else the proxy's listener; NULL when there is no proxy.
 *
 * Not a connection is the listener that has the origin's port on every address. A SYN that meets the last
 * connection's TIME_WAIT goes there: only the kernel can end that (tcp_timewait_state_process), and then finds
 * the listener. Given the listener at once, it could not enter the new connection beside the old one and would
 * drop the SYN.
 */
static inline __attribute__((always_inline)) struct bpf_sock *
find_for_client(struct __sk_buff *skb, const struct config *c, const struct address *client, __be16 port)
{
	struct bpf_sock *sk = find(skb, client, port, &c->origin, c->port);

	if (sk && sk->state == TCP_STATE_LISTEN) {
		bpf_sk_release(sk);
		sk = NULL;
	}
	if (sk)
		return sk;
	sk = find(skb, client, port, &c->listener, c->listener_port);
	/* A connection to the proxy itself that happens to have the same client port. */
	if (sk && sk->state != TCP_STATE_LISTEN) {
		bpf_sk_release(sk);
		sk = NULL;
	}
	return sk;
}

#endif
