// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* qdisc: from net_dev_queue to net_dev_start_xmit on the same device, by skb address. */
#include "links.h"

RAW_TRACEPOINT_PROBE(net_dev_queue)
{
	u64 skb = ctx->args[0];
	struct watch *cfg = watched();
	struct packet *packet;
	struct stage *stat;
	void *dev = NULL;
	int device, side;

	if (!cfg)
		return 0;
	/* The qdisc dropped an earlier packet at this address, or the kernel segmented it. */
	packet = cleared_slot(skb);
	stat = stage_of(0);
	if (!packet || !stat || !cfg->open || !should_track(stat))
		return 0;
	if (bpf_probe_read_kernel(&dev, sizeof(dev), (void *)skb + SK_BUFF_DEV))
		return 0;
	device = watched_device(cfg, dev);
	if (device < 0)
		return 0;
	side = SIDE_OF_DEVICE(device);
	stat = stage_of(side);
	if (stat)
		track(packet, stat, cfg, skb, device, SENT);
	return 0;
}

RAW_TRACEPOINT_PROBE(net_dev_start_xmit)
{
	u64 skb = ctx->args[0], now;
	struct watch *cfg = watched();
	struct packet *packet;
	struct stage *stat;
	int side;

	if (!cfg)
		return 0;
	packet = packet_slot(skb);
	if (!packet || !is_tracked(packet, skb))
		return 0;
	packet->skb = 0;
	now = bpf_ktime_get_ns();
	/* A segment cut from a larger packet was never queued itself, and can have the address of a packet that was. */
	if (watched_device(cfg, (void *)ctx->args[1]) != packet->device)
		return 0;
	side = SIDE_OF_DEVICE(packet->device);
	stat = stage_of(side);
	if (stat)
		end(stat, cfg, &packet->start, now, side);
	return 0;
}
