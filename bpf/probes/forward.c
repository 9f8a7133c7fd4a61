// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* forward: from netif_receive_skb on one DUT device to net_dev_start_xmit on the other, by skb address. */
#include "probe.h"

BPF_ARRAY(watch, struct watch, 1);
BPF_PERCPU_ARRAY(stage, struct stage, 1);
BPF_RINGBUF_OUTPUT(samples, SAMPLE_PAGES);
/* Packets inside the DUT at once are bounded by its queues: netdev_max_backlog is 1,000 per CPU. What
 * ends in the DUT (a proxy's packets) leaves its start behind until the address is used again; the slab
 * allocator does so at once.
 */
BPF_HASH(starts, u64, struct start, 16384);

RAW_TRACEPOINT_PROBE(netif_receive_skb)
{
	u64 skb = ctx->args[0];
	struct watch *watching;
	struct stage *measured;
	struct start start = {};
	void *device = NULL;
	int zero = 0;

	watching = watch.lookup(&zero);
	if (!watching || !watching->generation)
		return 0;
	if (bpf_probe_read_kernel(&device, sizeof(device), (void *)skb + SK_BUFF_DEV))
		return 0;
	if (!is_named(&watching->device[0], device) && !is_named(&watching->device[1], device))
		return 0;
	measured = stage.lookup(&zero);
	if (!measured)
		return 0;

	measured->started++;
	start.time_ns = bpf_ktime_get_ns();
	start.generation = watching->generation;
	/* An earlier start at this address ended in the DUT: it is replaced. */
	if (starts.update(&skb, &start))
		measured->lost++;
	return 0;
}

RAW_TRACEPOINT_PROBE(net_dev_start_xmit)
{
	u64 skb = ctx->args[0];
	void *device = (void *)ctx->args[1];
	struct watch *watching;
	struct stage *measured;
	struct start *start;
	struct sample sample = {};
	u32 ingress = 0;
	int zero = 0;
	u64 now;

	watching = watch.lookup(&zero);
	if (!watching || !watching->generation)
		return 0;
	/* A packet that was made here has no ingress; its address may be that of one that ended here, so
	 * without this check a proxy's packets would pair with strangers. It is also the cheapest filter.
	 */
	if (bpf_probe_read_kernel(&ingress, sizeof(ingress), (void *)skb + SK_BUFF_SKB_IIF) || !ingress)
		return 0;
	if (!(ingress == watching->device[0].ifindex && is_named(&watching->device[1], device)) &&
	    !(ingress == watching->device[1].ifindex && is_named(&watching->device[0], device)))
		return 0;
	start = starts.lookup(&skb);
	if (!start)
		return 0;
	measured = stage.lookup(&zero);
	if (!measured)
		return 0;

	now = bpf_ktime_get_ns();
	if (record(measured, watching, start, now)) {
		sample.time_ns = now;
		sample.value_ns = now - start->time_ns;
		if (samples.ringbuf_output(&sample, sizeof(sample), SAMPLE_FLAGS))
			measured->lost++;
	}
	starts.delete(&skb);
	return 0;
}
