// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* rx_steering: from netif_receive_skb on the watched devices to tcp_probe, by skb address: netfilter, conntrack,
 * routing and socket lookup of a packet for an established connection.
 */
#include "packets.h"

RAW_TRACEPOINT_PROBE(netif_receive_skb)
{
	u64 skb = ctx->args[0];
	struct watch *cfg = watched();
	struct packet *packet;
	struct stage *stat;

	if (!cfg)
		return 0;
	packet = packet_slot(skb);
	stat = stage_of(0);
	if (!packet || !stat)
		return 0;
	/* The packet is forwarded, or has the address of one that never reached tcp_probe: the old start is void. */
	if (is_tracked(packet, skb))
		packet->skb = 0;
	track_received(packet, stat, cfg, skb);
	return 0;
}

RAW_TRACEPOINT_PROBE(tcp_probe)
{
	u64 skb = ctx->args[1];
	struct watch *cfg = watched();
	struct packet *packet;
	struct stage *stat;

	if (!cfg)
		return 0;
	packet = packet_slot(skb);
	if (!packet || !is_tracked(packet, skb))
		return 0;
	stat = stage_of(0);
	if (!stat)
		return 0;
	end(stat, cfg, &packet->start, bpf_ktime_get_ns(), 0);
	packet->skb = 0;
	return 0;
}
