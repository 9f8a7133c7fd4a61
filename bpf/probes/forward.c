// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* forward: from netif_receive_skb on one DUT device to net_dev_start_xmit on the other, by skb address. */
#include "packets.h"

RAW_TRACEPOINT_PROBE(netif_receive_skb)
{
	struct watch *cfg = watched();

	if (cfg)
		track_received(cfg, ctx->args[0]);
	return 0;
}

RAW_TRACEPOINT_PROBE(net_dev_start_xmit)
{
	u64 skb = ctx->args[0];
	struct watch *cfg = watched();
	struct packet *packet;
	u32 ingress = 0;
	int egress;

	if (!cfg)
		return 0;
	packet = packet_slot(skb);
	if (!packet || !is_tracked(packet, skb))
		return 0;
	/* A packet that the DUT itself made has no ingress device. Without this check a proxy's packet would pair with
	 * a received one that ended at the same address.
	 */
	if (bpf_probe_read_kernel(&ingress, sizeof(ingress), (void *)skb + SK_BUFF_SKB_IIF) || !ingress)
		return 0;
	egress = watched_device(cfg, (void *)ctx->args[1]);
	if (!(egress == 1 && ingress == cfg->device[0].ifindex) && !(egress == 0 && ingress == cfg->device[1].ifindex))
		return 0;
	end_packet(cfg, packet);
	return 0;
}
