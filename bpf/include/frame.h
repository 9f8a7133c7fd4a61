/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP segments and UDP datagrams in XDP programs. */
#ifndef SHOWDOWN_FRAME_H
#define SHOWDOWN_FRAME_H

#include "packet.h"

/* As read_segment(), and for the same segments. */
static __always_inline int read_frame(struct xdp_md *ctx, struct segment *segment)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)eth + HEADERS_BYTES > (void *)(long)ctx->data_end || eth->h_proto != bpf_htons(ETHERTYPE))
		return 0;
	segment->ip = (void *)(eth + 1);
	segment->tcp = (void *)(segment->ip + 1);
	return is_plain_tcp(segment->ip);
}

/* As read_datagram(), and for the same datagrams. */
static __always_inline int read_datagram_frame(struct xdp_md *ctx, struct datagram *datagram)
{
	struct ethhdr *eth = (void *)(long)ctx->data;

	if ((void *)eth + UDP_HEADERS_BYTES > (void *)(long)ctx->data_end || eth->h_proto != bpf_htons(ETHERTYPE))
		return 0;
	datagram->ip = (void *)(eth + 1);
	datagram->udp = (void *)(datagram->ip + 1);
	return is_plain_udp(datagram->ip);
}

static __always_inline __u64 datagram_frame_bytes(const struct datagram *datagram)
{
	__u64 bytes = ip_payload_bytes(datagram->ip);

	return bytes > sizeof(struct udphdr) ? bytes - sizeof(struct udphdr) : 0;
}

/* Bytes behind the headers, by the IP header's length field: a short frame has padding behind them. */
static __always_inline __u64 frame_payload_bytes(const struct segment *segment)
{
	__u32 header = segment->tcp->doff * 4, bytes = ip_payload_bytes(segment->ip);

	return bytes > header ? bytes - header : 0;
}

#endif
