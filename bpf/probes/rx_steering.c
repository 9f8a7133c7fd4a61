// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* rx_steering: from netif_receive_skb on the watched devices to tcp_probe, by skb address: netfilter, conntrack,
 * routing and socket lookup of a packet for an established connection.
 */
#include "packets.h"

RAW_TRACEPOINT_PROBE(netif_receive_skb)
{
	struct watch *cfg = watched();

	if (cfg)
		track_received(cfg, ctx->args[0]);
	return 0;
}

RAW_TRACEPOINT_PROBE(tcp_probe)
{
	u64 skb = ctx->args[1];
	struct watch *cfg = watched();
	struct packet *packet;

	if (!cfg)
		return 0;
	packet = packet_slot(skb);
	if (!packet || !is_tracked(packet, skb))
		return 0;
	end_packet(cfg, packet);
	return 0;
}
