// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Drop frames of listed sources with XDP, before the network stack sees them; it forwards the others. */
#include "filter.h"
#include "prolong.h"

int from_client(struct xdp_md *ctx)
{
	__u32 hops = hop_limit();
	struct ethhdr *eth = (void *)(long)ctx->data;
	ip_header *ip;

	/* Any other packet has one hop to live, and ends in the kernel's routing. */
	if (!hops || (void *)eth + IP_BYTES > (void *)(long)ctx->data_end || eth->h_proto != bpf_htons(ETHERTYPE))
		return XDP_PASS;

	ip = (void *)(eth + 1);
	if (is_blocked(source_of(ip))) {
		count(BLOCKED, 1);
		return XDP_DROP;
	}
	set_hop_limit(ip, hops);
	count(PASSED, 1);
	return XDP_PASS;
}
