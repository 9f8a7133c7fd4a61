// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* device_hop: from net_dev_start_xmit on one end of a link to netif_receive_skb on the other, by skb address. */
#include "links.h"

RAW_TRACEPOINT_PROBE(net_dev_start_xmit)
{
	u64 skb = ctx->args[0];
	struct watch *cfg = watched();
	struct packet *packet;
	struct stage *stat;
	int device, side;

	if (!cfg)
		return 0;
	/* GRO merged an earlier packet at this address into another, or it was dropped: it never arrived. */
	packet = cleared_slot(skb);
	stat = stage_of(0);
	if (!packet || !stat || !cfg->open || !should_track(stat))
		return 0;
	device = watched_device(cfg, (void *)ctx->args[1]);
	if (device < 0)
		return 0;
	device = OTHER_END(device);
	side = SIDE_OF_DEVICE(device);
	stat = stage_of(side);
	if (stat)
		track(packet, stat, cfg, skb, device, SENT);
	return 0;
}

RAW_TRACEPOINT_PROBE(netif_receive_skb)
{
	u64 skb = ctx->args[0], now;
	struct watch *cfg = watched();
	struct packet *packet;
	struct stage *stat;
	void *dev = NULL;
	int side;

	if (!cfg)
		return 0;
	packet = packet_slot(skb);
	if (!packet || !is_tracked(packet, skb))
		return 0;
	packet->skb = 0;
	now = bpf_ktime_get_ns();
	/* A packet from outside the lab was never sent here, and can have the address of one that was dropped. */
	if (bpf_probe_read_kernel(&dev, sizeof(dev), (void *)skb + SK_BUFF_DEV) ||
	    watched_device(cfg, dev) != packet->device)
		return 0;
	side = SIDE_OF_DEVICE(packet->device);
	stat = stage_of(side);
	if (stat)
		end(stat, cfg, &packet->start, now, side);
	return 0;
}
