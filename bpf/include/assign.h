/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Assign segments and datagrams to the proxies' sockets at tc ingress, as TPROXY does in netfilter. */
#ifndef SHOWDOWN_ASSIGN_H
#define SHOWDOWN_ASSIGN_H

#include "steer.h"

enum count { STEERED, REFUSED, UNCLAIMED, COUNTS };

#include "counter.h"

/* Without a proxy the path is closed: what finds no socket must not reach the origin. */
static __always_inline int steer(struct __sk_buff *skb, const struct config *cfg, struct bpf_sock *sk)
{
	if (!sk || !assign(skb, sk, cfg->mark)) {
		count(REFUSED, 1);
		return TC_ACT_SHOT;
	}
	count(STEERED, 1);
	return TC_ACT_OK;
}

/* The proxy may have closed that connection or flow already. The client must not get a packet of it: its own is with
 * the proxy.
 */
static __always_inline int claim(struct __sk_buff *skb, const struct config *cfg, struct bpf_sock *sk)
{
	if (!sk || !assign(skb, sk, cfg->mark)) {
		count(UNCLAIMED, 1);
		return TC_ACT_SHOT;
	}
	return TC_ACT_OK;
}

int from_client(struct __sk_buff *skb)
{
	struct config *cfg = configuration();
	struct segment segment;
	struct datagram datagram;

	/* Any other packet takes the closed routed path: ARP passes, the rest is dropped and counted there. */
	if (!cfg)
		return TC_ACT_OK;
	if (read_segment(skb, &segment)) {
		if (!is_for_origin(cfg, segment.ip, segment.tcp->dest))
			return TC_ACT_OK;
		return steer(skb, cfg, find_for_client(skb, cfg, source_of(segment.ip), segment.tcp->source));
	}
	if (!read_datagram(skb, &datagram) || !is_for_origin(cfg, datagram.ip, datagram.udp->dest))
		return TC_ACT_OK;
	return steer(skb, cfg, find_for_datagram(skb, cfg, source_of(datagram.ip), datagram.udp->source));
}

int from_origin(struct __sk_buff *skb)
{
	struct config *cfg = configuration();
	struct segment segment;
	struct datagram datagram;
	struct bpf_sock *sk;

	if (!cfg)
		return TC_ACT_OK;
	if (read_segment(skb, &segment)) {
		if (!is_from_origin(cfg, segment.ip, segment.tcp->source))
			return TC_ACT_OK;
		/* The proxy's connection to the origin, which has the client's address. */
		sk = find(skb, source_of(segment.ip), segment.tcp->source, destination_of(segment.ip),
			  segment.tcp->dest);
		if (sk && sk->state == TCP_STATE_LISTEN) {
			bpf_sk_release(sk);
			sk = NULL;
		}
		return claim(skb, cfg, sk);
	}
	if (!read_datagram(skb, &datagram) || !is_from_origin(cfg, datagram.ip, datagram.udp->source))
		return TC_ACT_OK;
	/* The relay's socket of the flow, which has the client's address and port. */
	return claim(skb, cfg,
		     find_udp(skb, source_of(datagram.ip), datagram.udp->source, destination_of(datagram.ip),
			      datagram.udp->dest, 1));
}

#endif
