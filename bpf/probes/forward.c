// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* forward: from netif_receive_skb on one DUT device to net_dev_start_xmit on the other, by skb address. */
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
	/* An earlier packet at this address ended in the DUT: this one must not pair with its start. */
	if (is_followed(packet, skb))
		packet->skb = 0;
	follow_received(packet, measured, watching, skb);
	return 0;
}

RAW_TRACEPOINT_PROBE(net_dev_start_xmit)
{
	u64 skb = ctx->args[0];
	void *device = (void *)ctx->args[1];
	struct watch *watching;
	struct stage *measured;
	struct packet *packet;
	struct sample sample = {};
	u32 ingress = 0;
	int zero = 0, slot = PACKET_SLOT(skb), egress;
	u64 now;

	watching = watch.lookup(&zero);
	if (!watching || !watching->generation)
		return 0;
	packet = packets.lookup(&slot);
	if (!packet || !is_followed(packet, skb))
		return 0;
	/* A packet that was made here has no ingress; its address may be that of one that ended here, so
	 * without this check a proxy's packets would pair with strangers.
	 */
	if (bpf_probe_read_kernel(&ingress, sizeof(ingress), (void *)skb + SK_BUFF_SKB_IIF) || !ingress)
		return 0;
	egress = watched_device(watching, device);
	if (!(egress == 1 && ingress == watching->device[0].ifindex) &&
	    !(egress == 0 && ingress == watching->device[1].ifindex))
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
