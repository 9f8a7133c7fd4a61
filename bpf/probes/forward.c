// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* forward: from netif_receive_skb on one DUT device to net_dev_start_xmit on the other, by skb address. */
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
	/* An earlier packet at this address ended in the DUT. This one must not pair with its start. */
	if (is_tracked(packet, skb))
		packet->skb = 0;
	track_received(packet, stat, cfg, skb);
	return 0;
}

RAW_TRACEPOINT_PROBE(net_dev_start_xmit)
{
	u64 skb = ctx->args[0];
	struct watch *cfg = watched();
	struct packet *packet;
	struct stage *stat;
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
	stat = stage_of(0);
	if (!stat)
		return 0;
	end(stat, cfg, &packet->start, bpf_ktime_get_ns(), 0);
	packet->skb = 0;
	return 0;
}
