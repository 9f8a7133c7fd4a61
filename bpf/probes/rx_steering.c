// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* rx_steering: from netif_receive_skb on the watched devices to tcp_probe, by skb address: netfilter,
 * conntrack, routing and socket lookup of a packet for an established connection.
 */
#include "probe.h"

BPF_ARRAY(watch, struct watch, 1);
BPF_PERCPU_ARRAY(stage, struct stage, 1);
BPF_RINGBUF_OUTPUT(samples, SAMPLE_PAGES);
/* As in forward.c; here the starts that stay are packets of no established connection. */
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
	if (!is_named(&watching->device[0], device) && !is_named(&watching->device[1], device)) {
		/* Another device's packet at the address of one that never reached tcp_probe must not pair
		 * with its start.
		 */
		starts.delete(&skb);
		return 0;
	}
	measured = stage.lookup(&zero);
	if (!measured)
		return 0;

	measured->started++;
	start.time_ns = bpf_ktime_get_ns();
	start.generation = watching->generation;
	if (starts.update(&skb, &start))
		measured->lost++;
	return 0;
}

RAW_TRACEPOINT_PROBE(tcp_probe)
{
	u64 skb = ctx->args[1];
	struct watch *watching;
	struct stage *measured;
	struct start *start;
	struct sample sample = {};
	int zero = 0;
	u64 now;

	watching = watch.lookup(&zero);
	if (!watching || !watching->generation)
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
