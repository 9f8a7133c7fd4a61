/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP segments in tc programs. */
#ifndef SHOWDOWN_PACKET_H
#define SHOWDOWN_PACKET_H

#include <uapi/linux/bpf.h>
#include <uapi/linux/pkt_cls.h>
#include <uapi/linux/tcp.h>

#include "ip.h"

#define HEADERS_BYTES (sizeof(struct ethhdr) + sizeof(ip_header) + sizeof(struct tcphdr))

struct segment {
	ip_header *ip;
	struct tcphdr *tcp;
};

static __always_inline int is_syn(const struct tcphdr *tcp)
{
	return tcp->syn && !tcp->ack;
}

/* Find the headers of a TCP segment of this IP version. Returns 0 for any other packet. */
static __always_inline int read_segment(struct __sk_buff *skb, struct segment *segment)
{
	struct ethhdr *eth;

	if (skb->protocol != bpf_htons(ETHERTYPE))
		return 0;

	/* GRO, and drivers that split headers from data, can leave the headers outside of the linear part. The verifier
	 * insists on the check, too.
	 */
	if ((void *)(long)skb->data + HEADERS_BYTES > (void *)(long)skb->data_end &&
	    bpf_skb_pull_data(skb, HEADERS_BYTES))
		return 0;
	eth = (void *)(long)skb->data;
	if ((void *)eth + HEADERS_BYTES > (void *)(long)skb->data_end)
		return 0;

	segment->ip = (void *)(eth + 1);
	segment->tcp = (void *)(segment->ip + 1);
	return is_plain_tcp(segment->ip);
}

/* Bytes behind the headers. A packet that GRO merged carries the payload of several segments. */
static __always_inline __u64 payload_bytes(struct __sk_buff *skb, struct segment *segment)
{
	__u32 headers = sizeof(struct ethhdr) + sizeof(ip_header) + segment->tcp->doff * 4;

	return skb->len > headers ? skb->len - headers : 0;
}

#endif
