/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP segments and UDP datagrams in tc programs. */
#ifndef SHOWDOWN_PACKET_H
#define SHOWDOWN_PACKET_H

#include "ip.h"

#include <uapi/linux/bpf.h>
#include <uapi/linux/pkt_cls.h>
#include <uapi/linux/tcp.h>
#include <uapi/linux/udp.h>

#define HEADERS_BYTES (sizeof(struct ethhdr) + sizeof(ip_header) + sizeof(struct tcphdr))
#define UDP_HEADERS_BYTES (sizeof(struct ethhdr) + sizeof(ip_header) + sizeof(struct udphdr))

struct segment {
	ip_header *ip;
	struct tcphdr *tcp;
};

struct datagram {
	ip_header *ip;
	struct udphdr *udp;
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

/* Find the headers of a UDP datagram of this IP version, or of several that GSO left merged. Returns 0 for any other
 * packet. The smallest datagram is shorter than the headers of a TCP segment.
 */
static __always_inline int read_datagram(struct __sk_buff *skb, struct datagram *datagram)
{
	struct ethhdr *eth;

	if (skb->protocol != bpf_htons(ETHERTYPE))
		return 0;
	if ((void *)(long)skb->data + UDP_HEADERS_BYTES > (void *)(long)skb->data_end &&
	    bpf_skb_pull_data(skb, UDP_HEADERS_BYTES))
		return 0;
	eth = (void *)(long)skb->data;
	if ((void *)eth + UDP_HEADERS_BYTES > (void *)(long)skb->data_end)
		return 0;

	datagram->ip = (void *)(eth + 1);
	datagram->udp = (void *)(datagram->ip + 1);
	return is_plain_udp(datagram->ip);
}

/* Bytes behind the headers; merged datagrams have one header together. */
static __always_inline __u64 datagram_bytes(const struct __sk_buff *skb)
{
	return skb->len > UDP_HEADERS_BYTES ? skb->len - UDP_HEADERS_BYTES : 0;
}

/* Bytes behind the headers. A packet that GRO merged carries the payload of several segments. */
static __always_inline __u64 payload_bytes(struct __sk_buff *skb, struct segment *segment)
{
	__u32 headers = sizeof(struct ethhdr) + sizeof(ip_header) + segment->tcp->doff * 4;

	return skb->len > headers ? skb->len - headers : 0;
}

#endif
