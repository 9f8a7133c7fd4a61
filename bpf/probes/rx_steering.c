// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* rx_steering: from netif_receive_skb on the watched devices to tcp_probe, by skb address: netfilter,
 * conntrack, routing and socket lookup of a packet for an established connection.
 */
#include "packets.h"

BPF_ARRAY(watch, struct watch, 1);
BPF_PERCPU_ARRAY(stage, struct stage, ROLES);
BPF_RINGBUF_OUTPUT(samples, SAMPLE_PAGES);
BPF_ARRAY(packets, struct packet, PACKET_SLOTS);

RAW_TRACEPOINT_PROBE(netif_receive_skb)
{
	u64 skb = ctx->args[0];
	struct watch *watching;
	struct stage *measured;
	struct packet *packet;
	int zero = 0, slot = PACKET_SLOT(skb);

	watching = watch.lookup(&zero);
	if (!watching || !watching->generation)
		return 0;
	packet = packets.lookup(&slot);
	measured = stage.lookup(&zero);
	if (!packet || !measured)
		return 0;
	/* Forwarded on, or another packet at the address of one that never reached tcp_probe: what comes now
	 * must not pair with that start.
	 */
	if (is_followed(packet, skb))
		packet->skb = 0;
	follow_received(packet, measured, watching, skb);
	return 0;
}

RAW_TRACEPOINT_PROBE(tcp_probe)
{
	u64 skb = ctx->args[1];
	struct watch *watching;
	struct stage *measured;
	struct packet *packet;
	struct sample sample = {};
	int zero = 0, slot = PACKET_SLOT(skb);
	u64 now;

	watching = watch.lookup(&zero);
	if (!watching || !watching->generation)
		return 0;
	packet = packets.lookup(&slot);
	if (!packet || !is_followed(packet, skb))
		return 0;
	measured = stage.lookup(&zero);
	if (!measured)
		return 0;

	now = bpf_ktime_get_ns();
	if (record(measured, watching, &packet->start, now)) {
		sample.time_ns = now;
		sample.value_ns = now - packet->start.time_ns;
		if (samples.ringbuf_output(&sample, sizeof(sample), SAMPLE_FLAGS))
			measured->unsampled++;
	}
	packet->skb = 0;
	return 0;
}
