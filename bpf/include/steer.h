/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What tc programs share that assign segments to sockets of the DUT. */
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
BPF_ARRAY(config, struct config, 1);

/* enum in include/net/tcp_states.h, which is no uapi header */
#define TCP_STATE_LISTEN 10
#define STATE_CONNECTED 1 /* of a UDP socket with a peer, too */

static __always_inline struct config *configuration(void)
{
	int zero = 0;

	return config.lookup(&zero);
}

static __always_inline int is_for_origin(const struct config *cfg, const ip_header *ip, __be16 dport)
{
	return is_same(destination_of(ip), &cfg->origin) && dport == cfg->port;
}

static __always_inline int is_from_origin(const struct config *cfg, const ip_header *ip, __be16 sport)
{
	return is_same(source_of(ip), &cfg->origin) && sport == cfg->port;
}

/* Assign the segment to the socket, and release the reference. The mark makes a policy rule deliver it locally. */
static __always_inline int assign(struct __sk_buff *skb, struct bpf_sock *sk, __u32 mark)
{
	long error = bpf_sk_assign(skb, sk, 0);

	bpf_sk_release(sk);
	if (error)
		return 0;
	skb->mark = mark;
	return 1;
}

#if IP_VERSION == 6
#define TUPLE ipv6
#else
#define TUPLE ipv4
#endif

static __always_inline struct bpf_sock_tuple tuple_of(const struct address *saddr, __be16 sport,
						      const struct address *daddr, __be16 dport)
{
	struct bpf_sock_tuple all = {};

	__builtin_memcpy(&all.TUPLE.saddr, saddr, sizeof(*saddr));
	__builtin_memcpy(&all.TUPLE.daddr, daddr, sizeof(*daddr));
	all.TUPLE.sport = sport;
	all.TUPLE.dport = dport;
	return all;
}

static __always_inline struct bpf_sock *find(struct __sk_buff *skb, const struct address *saddr, __be16 sport,
					     const struct address *daddr, __be16 dport)
{
	struct bpf_sock_tuple all = tuple_of(saddr, sport, daddr, dport);

	return bpf_skc_lookup_tcp(skb, &all, sizeof(all.TUPLE), BPF_F_CURRENT_NETNS, 0);
}

/* A UDP socket that has this peer (`connected`) or none, else NULL. */
static __always_inline struct bpf_sock *find_udp(struct __sk_buff *skb, const struct address *saddr, __be16 sport,
						 const struct address *daddr, __be16 dport, int connected)
{
	struct bpf_sock_tuple all = tuple_of(saddr, sport, daddr, dport);
	struct bpf_sock *sk = bpf_sk_lookup_udp(skb, &all, sizeof(all.TUPLE), BPF_F_CURRENT_NETNS, 0);

	if (sk && (sk->state == STATE_CONNECTED) != connected) {
		bpf_sk_release(sk);
		sk = NULL;
	}
	return sk;
}

/* The socket for a client's segment: its connection, else the proxy's listener, else NULL.
 *
 * The first lookup also finds a listener that has the origin's port on every address. That is no connection, and is
 * passed over. It has a use all the same: a SYN can arrive for the previous connection's TIME_WAIT socket, which the
 * first lookup returns. Only tcp_timewait_state_process() can end that, and then the kernel finds this listener. If the
 * SYN went to the proxy's listener at once, the kernel could not hash the new connection beside the old one. It would
 * drop the SYN.
 */
static __always_inline struct bpf_sock *find_for_client(struct __sk_buff *skb, const struct config *cfg,
							const struct address *client, __be16 port)
{
	struct bpf_sock *sk = find(skb, client, port, &cfg->origin, cfg->port);

	if (sk && sk->state == TCP_STATE_LISTEN) {
		bpf_sk_release(sk);
		sk = NULL;
	}
	if (sk)
		return sk;
	sk = find(skb, client, port, &cfg->listener, cfg->listener_port);
	/* A connection to the proxy itself that has the same client port by chance. */
	if (sk && sk->state != TCP_STATE_LISTEN) {
		bpf_sk_release(sk);
		sk = NULL;
	}
	return sk;
}

/* The socket for a client's datagram: that of its flow, else the relay's listener, else NULL. */
static __always_inline struct bpf_sock *find_for_datagram(struct __sk_buff *skb, const struct config *cfg,
							  const struct address *client, __be16 port)
{
	struct bpf_sock *sk = find_udp(skb, client, port, &cfg->origin, cfg->port, 1);

	return sk ? sk : find_udp(skb, client, port, &cfg->listener, cfg->listener_port, 0);
}

#endif
