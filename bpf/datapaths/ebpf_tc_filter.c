// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Drop packets of listed sources at tc ingress; the kernel's routing forwards the others. */
#include "filter.h"
#include "prolong.h"

int from_client(struct __sk_buff *skb)
{
	__u32 hops = hop_limit();
	struct ethhdr *eth;
	ip_header *ip;

	/* Any other packet has one hop to live, and ends in the kernel's routing. */
	if (!hops || skb->protocol != bpf_htons(ETHERTYPE))
		return TC_ACT_OK;
	if ((void *)(long)skb->data + IP_BYTES > (void *)(long)skb->data_end && bpf_skb_pull_data(skb, IP_BYTES))
		return TC_ACT_SHOT;
	eth = (void *)(long)skb->data;
	if ((void *)eth + IP_BYTES > (void *)(long)skb->data_end)
		return TC_ACT_SHOT;

	ip = (void *)(eth + 1);
	if (is_blocked(source_of(ip))) {
		count(BLOCKED, 1);
		return TC_ACT_SHOT;
	}
	set_hop_limit(ip, hops);
	count(PASSED, 1);
	return TC_ACT_OK;
}
