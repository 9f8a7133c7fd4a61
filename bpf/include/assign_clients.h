/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Assign the clients' segments to a gateway's sockets at tc ingress. The gateway's connections to the origins have the
 * DUT's own address: the kernel delivers their packets without help.
 */
#ifndef SHOWDOWN_ASSIGN_CLIENTS_H
#define SHOWDOWN_ASSIGN_CLIENTS_H

#include "steer.h"

enum count { STEERED, REFUSED, COUNTS };

#include "counter.h"

int from_client(struct __sk_buff *skb)
{
	struct config *cfg = configuration();
	struct segment segment;
	struct bpf_sock *sk;

	/* Any other packet takes the closed routed path: ARP passes, the rest is dropped and counted there. */
	if (!cfg || !read_segment(skb, &segment) || !is_for_origin(cfg, segment.ip, segment.tcp->dest))
		return TC_ACT_OK;

	/* Without a gateway the path is closed: no host has the address that the segment is for. */
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
	return TC_ACT_OK;
}

#endif
