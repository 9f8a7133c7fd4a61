// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Forward between the DUT's devices with XDP, before the kernel allocates an sk_buff. */
#include "forward.h"
#include "frame.h"

static __always_inline int forward(ip_header *ip, const struct neighbour *to)
{
	if (!has_time_left(ip)) {
		count(DROPPED, 1);
		return XDP_DROP;
	}
	decrease_hop_limit(ip);
	readdress(ip, to);
	return bpf_redirect(to->ifindex, 0);
}

int from_client(struct xdp_md *ctx)
{
	struct config *cfg = configuration();
	struct segment segment;
	struct datagram datagram;
	ip_header *ip;
	int action;

	/* Any other packet takes the closed routed path: ARP passes, the rest is dropped and counted there. */
	if (!cfg)
		return XDP_PASS;
	if (read_frame(ctx, &segment)) {
		if (!is_from_client(cfg, segment.ip, segment.tcp->dest))
			return XDP_PASS;
		if (is_syn(segment.tcp))
			count(CONNECTIONS, 1);
		ip = segment.ip;
	} else if (read_datagram_frame(ctx, &datagram) && is_from_client(cfg, datagram.ip, datagram.udp->dest)) {
		ip = datagram.ip;
	} else {
		return XDP_PASS;
	}
	action = forward(ip, &cfg->to_origin);
	if (action != XDP_DROP)
		count(PACKETS, 1);
	return action;
}

int from_origin(struct xdp_md *ctx)
{
	struct config *cfg = configuration();
	struct segment segment;
	struct datagram datagram;

	if (!cfg)
		return XDP_PASS;
	if (read_frame(ctx, &segment)) {
		if (!is_from_origin(cfg, segment.ip, segment.tcp->source))
			return XDP_PASS;
		count(BYTES, frame_payload_bytes(&segment));
		return forward(segment.ip, &cfg->to_client);
	}
	if (!read_datagram_frame(ctx, &datagram) || !is_from_origin(cfg, datagram.ip, datagram.udp->source))
		return XDP_PASS;
	count(BYTES, datagram_frame_bytes(&datagram));
	return forward(datagram.ip, &cfg->to_client);
}
