// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Steer segments to the proxy's sockets at tc ingress, as TPROXY does in netfilter. */

#include "steer.h"

enum count { STEERED, REFUSED, UNCLAIMED, COUNTS };

BPF_ARRAY(config, struct config, 1);
BPF_PERCPU_ARRAY(counts, __u64, COUNTS);

/* Only this CPU writes its own entry, and tc runs with bottom halves off: no atomics needed. */
static inline __attribute__((always_inline)) void count(__u32 what)
{
	__u64 *value = counts.lookup(&what);

	if (value)
		*value += 1;
}

int from_client(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct config *c = config.lookup(&zero);
	struct segment segment;
	struct bpf_sock *sk;

	/* What is not for the origin goes the routed path, which is closed: ARP passes, the rest is
	 * dropped and counted there.
	 */
	if (!c || !read_segment(skb, &segment) || !is_same(destination_of(segment.ip), &c->origin) ||
	    segment.tcp->dest != c->port)
		return TC_ACT_OK;

	/* Without a proxy the path is closed, never bypassed. */
	sk = find_for_client(skb, c, source_of(segment.ip), segment.tcp->source);
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

	if (!c || !read_segment(skb, &segment) || !is_same(source_of(segment.ip), &c->origin) ||
	    segment.tcp->source != c->port)
		return TC_ACT_OK;

	/* The proxy's connection to the origin, which bears the client's address. */
	sk = find(skb, source_of(segment.ip), segment.tcp->source, destination_of(segment.ip), segment.tcp->dest);
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
