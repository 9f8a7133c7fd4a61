// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Steer segments to the proxy's sockets at tc ingress, as TPROXY does in netfilter. */

#include "packet.h"

struct config {
	__be32 origin;
	__be32 listener;
	__u32 mark;
	__be16 port;
	__be16 listener_port;
};

enum count { STEERED, REFUSED, UNCLAIMED, COUNTS };

/* enum in include/net/tcp_states.h, which user headers do not have. */
#define TCP_STATE_LISTEN 10

BPF_ARRAY(config, struct config, 1);
BPF_PERCPU_ARRAY(counts, __u64, COUNTS);

/* Only this CPU writes its own entry, and tc runs with bottom halves off: no atomics needed. */
static inline __attribute__((always_inline)) void count(__u32 what)
{
	__u64 *value = counts.lookup(&what);

	if (value)
		*value += 1;
}

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

static inline __attribute__((always_inline)) struct bpf_sock *find(struct __sk_buff *skb, __be32 saddr, __be16 sport,
								   __be32 daddr, __be16 dport)
{
	struct bpf_sock_tuple tuple = {};

	tuple.ipv4.saddr = saddr;
	tuple.ipv4.sport = sport;
	tuple.ipv4.daddr = daddr;
	tuple.ipv4.dport = dport;
	return bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
}

int from_client(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct config *c = config.lookup(&zero);
	struct segment segment;
	struct bpf_sock *sk;
	__be32 client;
	__be16 port;

	/* What is not for the origin goes the routed path, which is closed: ARP passes, the rest is
	 * dropped and counted there.
	 */
	if (!c || !read_segment(skb, &segment) || segment.ip->daddr != c->origin || segment.tcp->dest != c->port)
		return TC_ACT_OK;
	client = segment.ip->saddr;
	port = segment.tcp->source;

	sk = find(skb, client, port, c->origin, c->port);
	/* Not a connection, but the listener, which has the origin's port on every address. A SYN
	 * that meets the last connection's TIME_WAIT goes there: only the kernel can end that
	 * (tcp_timewait_state_process), and then finds the listener. Given the listener at once, it
	 * could not enter the new connection beside the old one and would drop the SYN.
	 */
	if (sk && sk->state == TCP_STATE_LISTEN) {
		bpf_sk_release(sk);
		sk = NULL;
	}
	if (!sk) {
		sk = find(skb, client, port, c->listener, c->listener_port);
		/* A connection to the proxy itself that happens to have the same client port. */
		if (sk && sk->state != TCP_STATE_LISTEN) {
			bpf_sk_release(sk);
			sk = NULL;
		}
	}

	/* Without a proxy the path is closed, never bypassed. */
	if (!sk || !assign(skb, sk, c->mark)) {
		count(REFUSED);
		return TC_ACT_SHOT;
	}
	count(STEERED);
	return TC_ACT_OK;
}

int from_origin(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct config *c = config.lookup(&zero);
	struct segment segment;
	struct bpf_sock *sk;

	if (!c || !read_segment(skb, &segment) || segment.ip->saddr != c->origin || segment.tcp->source != c->port)
		return TC_ACT_OK;

	/* The proxy's connection to the origin, which bears the client's address. */
	sk = find(skb, segment.ip->saddr, segment.tcp->source, segment.ip->daddr, segment.tcp->dest);
	if (sk && sk->state == TCP_STATE_LISTEN) {
		bpf_sk_release(sk);
		sk = NULL;
	}

	/* The proxy has closed it already: nobody is left to answer, and the client must not see
	 * the origin's side of a connection that it has with the proxy.
	 */
	if (!sk || !assign(skb, sk, c->mark)) {
		count(UNCLAIMED);
		return TC_ACT_SHOT;
	}
	return TC_ACT_OK;
}
