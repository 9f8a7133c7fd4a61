// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Forward between the DUT's devices with XDP, before the kernel allocates an sk_buff. */
#include "forward.h"
#include "frame.h"

static __always_inline int forward(struct segment *segment, const struct neighbour *to)
{
	if (!has_time_left(segment)) {
		count(DROPPED, 1);
		return XDP_DROP;
	}
	decrease_hop_limit(segment->ip);
	readdress(segment, to);
	return bpf_redirect(to->ifindex, 0);
}

int from_client(struct xdp_md *ctx)
{
	struct config *cfg = configuration();
	struct segment segment;
	int action;

	/* Any other packet takes the closed routed path: ARP passes, the rest is dropped and counted there. */
	if (!cfg || !read_frame(ctx, &segment) || !is_from_client(cfg, &segment))
		return XDP_PASS;

	if (is_syn(segment.tcp))
		count(CONNECTIONS, 1);
	action = forward(&segment, &cfg->to_origin);
	if (action != XDP_DROP)
		count(PACKETS, 1);
	return action;
}

int from_origin(struct xdp_md *ctx)
{
	struct config *cfg = configuration();
	struct segment segment;

	if (!cfg || !read_frame(ctx, &segment) || !is_from_origin(cfg, &segment))
		return XDP_PASS;

	count(BYTES, frame_payload_bytes(&segment));
	return forward(&segment, &cfg->to_client);
}
