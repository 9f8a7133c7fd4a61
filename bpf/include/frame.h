/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading IPv4 TCP segments in XDP programs. */
#ifndef SHOWDOWN_FRAME_H
#define SHOWDOWN_FRAME_H

#include "packet.h"

/* Find the headers of an IPv4 TCP segment; false for anything else. The same segments as read_segment() finds. */
static inline __attribute__((always_inline)) int read_frame(struct xdp_md *frame, struct segment *segment)
{
	struct ethhdr *eth = (void *)(long)frame->data;

	if ((void *)eth + HEADERS_BYTES > (void *)(long)frame->data_end || eth->h_proto != bpf_htons(ETH_P_IP))
		return 0;
	segment->ip = (void *)(eth + 1);
	segment->tcp = (void *)(segment->ip + 1);
	return segment->ip->protocol == IPPROTO_TCP && segment->ip->ihl == 5 &&
	       !(segment->ip->frag_off & bpf_htons(0x3fff));
}

/* Bytes behind the headers, as the IP header tells: a short frame has padding behind them. */
static inline __attribute__((always_inline)) __u64 frame_payload_bytes(const struct segment *segment)
{
	__u32 headers = sizeof(struct iphdr) + segment->tcp->doff * 4, bytes = bpf_ntohs(segment->ip->tot_len);

	return bytes > headers ? bytes - headers : 0;
}

#endif
