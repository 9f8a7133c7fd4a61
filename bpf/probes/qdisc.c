// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* qdisc: from net_dev_queue to net_dev_start_xmit on the same device, by skb address. */
#include "links.h"

BPF_ARRAY(watch, struct watch, 1);
BPF_PERCPU_ARRAY(stage, struct stage, ROLES);
BPF_RINGBUF_OUTPUT(samples, SAMPLE_PAGES);
BPF_ARRAY(packets, struct packet, PACKET_SLOTS);

RAW_TRACEPOINT_PROBE(net_dev_queue)
{
	u64 skb = ctx->args[0];
	struct watch *watching;
	struct stage *measured;
	struct packet *packet;
	void *net_device = NULL;
	int side = 0, slot = PACKET_SLOT(skb), zero = 0, device;

	watching = watch.lookup(&zero);
	if (!watching || !watching->generation)
		return 0;
	packet = packets.lookup(&slot);
	measured = stage.lookup(&side);
	if (!packet || !measured)
		return 0;
	/* An earlier packet at this address was dropped by its queue, or cut into segments. */
	if (is_followed(packet, skb))
		packet->skb = 0;
	if (!watching->open || !is_tracked(measured))
		return 0;
	if (bpf_probe_read_kernel(&net_device, sizeof(net_device), (void *)skb + SK_BUFF_DEV))
		return 0;
	device = watched_device(watching, net_device);
	if (device < 0)
		return 0;
	side = SIDE_OF_DEVICE(device);
	measured = stage.lookup(&side);
	if (measured)
		follow(packet, measured, watching, skb, device, SENT);
	return 0;
}

RAW_TRACEPOINT_PROBE(net_dev_start_xmit)
{
	u64 skb = ctx->args[0];
	void *net_device = (void *)ctx->args[1];
	struct watch *watching;
	struct stage *measured;
	struct packet *packet;
	struct sample sample = {};
	int side, slot = PACKET_SLOT(skb), zero = 0;
	u64 now;

	watching = watch.lookup(&zero);
	if (!watching || !watching->generation)
		return 0;
	packet = packets.lookup(&slot);
	if (!packet || !is_followed(packet, skb))
		return 0;
	packet->skb = 0;
	now = bpf_ktime_get_ns();
	/* A segment that was cut from a packet was never queued itself, and may live where one was. */
	if (watched_device(watching, net_device) != packet->device)
		return 0;
	side = SIDE_OF_DEVICE(packet->device);
	measured = stage.lookup(&side);
	if (!measured)
		return 0;

	if (record(measured, watching, &packet->start, now)) {
		sample.time_ns = now;
		sample.value_ns = now - packet->start.time_ns;
		sample.role = side;
		if (samples.ringbuf_output(&sample, sizeof(sample), SAMPLE_FLAGS))
			measured->unsampled++;
	}
	return 0;
}
