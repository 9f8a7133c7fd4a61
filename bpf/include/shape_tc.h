/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Both programs of a datapath that shapes at tc ingress of the origin's side. The source that includes it defines
 * admit() before: whether a packet for a client may go on.
 */
#ifndef SHOWDOWN_SHAPE_TC_H
#define SHOWDOWN_SHAPE_TC_H

#include "shape.h"

static __always_inline int forward_to(struct segment *segment, const struct neighbour *to)
{
	if (!has_time_left(segment->ip)) {
		count(DROPPED, 1);
		return TC_ACT_SHOT;
	}
	decrease_hop_limit(segment->ip);
	return redirect_to_hop(to->ifindex, &to->address);
}

int from_client(struct __sk_buff *skb)
{
	struct config *cfg = configuration();
	struct segment segment;
	int action;

	/* Any other packet takes the closed routed path: ARP passes, the rest is dropped and counted there. */
	if (!cfg || !read_segment(skb, &segment) || !is_from_client(cfg, segment.ip, segment.tcp->dest))
		return TC_ACT_OK;

	if (is_syn(segment.tcp))
		count(CONNECTIONS, 1);
	action = forward_to(&segment, &cfg->to_origin);
	if (action != TC_ACT_SHOT)
		count(PACKETS, 1);
	return action;
}

int from_origin(struct __sk_buff *skb)
{
	struct config *cfg = configuration();
	int zero = 0;
	struct shape *asked = shape.lookup(&zero);
	struct segment segment;
	struct address client;
	__u64 payload;

	if (!cfg || !asked || !asked->rate_bytes_per_s || !read_segment(skb, &segment) ||
	    !is_from_origin(cfg, segment.ip, segment.tcp->source))
		return TC_ACT_OK;

	payload = payload_bytes(skb, &segment);
	client = *destination_of(segment.ip);
	count(OFFERED, 1);
	count(OFFERED_BYTES, payload);
	if (!admit(skb, asked, &client)) {
		count(DENIED, 1);
		count(DENIED_BYTES, payload);
		return TC_ACT_SHOT;
	}
	count(BYTES, payload);
	return forward_to(&segment, &cfg->to_client);
}

#endif
