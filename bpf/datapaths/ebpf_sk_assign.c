// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Assign segments to the proxy's sockets at tc ingress, as TPROXY does in netfilter. */
#include "steer.h"

enum count { STEERED, REFUSED, UNCLAIMED, COUNTS };

#include "counter.h"

int from_client(struct __sk_buff *skb)
{
	struct config *cfg = configuration();
	struct segment segment;
	struct bpf_sock *sk;

	/* Any other packet takes the closed routed path: ARP passes, the rest is dropped and counted there. */
	if (!cfg || !read_segment(skb, &segment) || !is_for_origin(cfg, &segment))
		return TC_ACT_OK;

	/* Without a proxy the path is closed: the segment must not reach the origin. */
	sk = find_for_client(skb, cfg, source_of(segment.ip), segment.tcp->source);
	if (!sk || !assign(skb, sk, cfg->mark)) {
		count(REFUSED, 1);
		return TC_ACT_SHOT;
	}
	count(STEERED, 1);
	return TC_ACT_OK;
}

int from_origin(struct __sk_buff *skb)
{
	struct config *cfg = configuration();
	struct segment segment;
	struct bpf_sock *sk;

	if (!cfg || !read_segment(skb, &segment) || !is_from_origin(cfg, &segment))
		return TC_ACT_OK;

	/* The proxy's connection to the origin, which has the client's address. */
	sk = find(skb, source_of(segment.ip), segment.tcp->source, destination_of(segment.ip), segment.tcp->dest);
	if (sk && sk->state == TCP_STATE_LISTEN) {
		bpf_sk_release(sk);
		sk = NULL;
	}

	/* The proxy has closed that connection already. The client must not get a segment of it: its own connection is
	 * with the proxy.
	 */
	if (!sk || !assign(skb, sk, cfg->mark)) {
		count(UNCLAIMED, 1);
		return TC_ACT_SHOT;
	}
	return TC_ACT_OK;
}
