// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Forward between the DUT's devices at tc ingress, bypassing netfilter and routing. */
#include "forward.h"
#include "neigh.h"

static __always_inline int forward(struct segment *segment, const struct neighbour *to)
{
	if (!has_time_left(segment)) {
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
	if (!cfg || !read_segment(skb, &segment) || !is_from_client(cfg, &segment))
		return TC_ACT_OK;

	if (is_syn(segment.tcp))
		count(CONNECTIONS, 1);
	action = forward(&segment, &cfg->to_origin);
	if (action != TC_ACT_SHOT)
		count(PACKETS, 1);
	return action;
}

int from_origin(struct __sk_buff *skb)
{
	struct config *cfg = configuration();
	struct segment segment;

	if (!cfg || !read_segment(skb, &segment) || !is_from_origin(cfg, &segment))
		return TC_ACT_OK;

	count(BYTES, payload_bytes(skb, &segment));
	return forward(&segment, &cfg->to_client);
}
