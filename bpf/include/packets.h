/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets on their way through a lab, followed by the address of their socket buffer.
 *
 * Include it after probe.h, and keep the packets in BPF_ARRAY(packets, struct packet, PACKET_SLOTS).
 */
#ifndef SHOWDOWN_PACKETS_H
#define SHOWDOWN_PACKETS_H

#include "probe.h"

/* A packet on its way, kept in an array at a slot of its address: a hash map's locks would cost more than
 * all the rest. Packets on their way at once are bounded by the backlog (1,000 per CPU); two that share a
 * slot cost one pair, which the match rate shows. What never ends stays until its slot is used again.
 */
struct packet {
	__u64 skb;
	struct start start;
	__u64 device;
};
#define PACKET_SLOTS 8192
/* Socket buffers are 256 bytes apart. */
#define PACKET_SLOT(skb) (((skb) >> 8) & (PACKET_SLOTS - 1))

/* Where a packet's first byte of data is just now: its IP header (netif_receive_skb), or somewhere before
 * it (net_dev_queue, net_dev_start_xmit).
 */
#define RECEIVED 0
#define SENT 1

#define SHOWDOWN_TCP 6
#define SHOWDOWN_UDP 17
/* The IP header without options or extension headers, and the TCP header up to its length. */
#define IP_BYTES 20
#define IPV6_BYTES 40
#define TCP_LENGTH_AT 12
#define UDP_BYTES 8

/* Whether it carries payload. A bare acknowledgement is on no request's way. Labs speak IPv4 without options, and IPv6
 * without extension headers. Of IPv4 as many bytes are read as of IPv6: a buffer has room for them, and one look costs
 * less than two.
 */
ALWAYS_INLINE int has_payload(__u64 skb, int where)
{
	__u8 header[IPV6_BYTES + TCP_LENGTH_AT + 4] = {};
	const void *ip = NULL;
	__u32 behind, used;
	__u8 protocol, tcp_length;

	if (where == RECEIVED) {
		if (bpf_probe_read_kernel(&ip, sizeof(ip), (void *)skb + SK_BUFF_DATA))
			return 0;
	} else {
		/* Both lie close together, and each read on its own costs as much as one of all between them. */
		__u8 between[SK_BUFF_HEAD - SK_BUFF_NETWORK_HEADER + sizeof(ip)];

		if (bpf_probe_read_kernel(between, sizeof(between), (void *)skb + SK_BUFF_NETWORK_HEADER))
			return 0;
		ip = *(const void **)&between[SK_BUFF_HEAD - SK_BUFF_NETWORK_HEADER] + *(__u16 *)between;
	}
	if (bpf_probe_read_kernel(header, sizeof(header), ip))
		return 0;

	if (header[0] == 0x45) {
		behind = ((__u32)header[2] << 8 | header[3]) - IP_BYTES;
		protocol = header[9];
		tcp_length = header[IP_BYTES + TCP_LENGTH_AT];
	} else if (header[0] >> 4 == 6) {
		behind = (__u32)header[4] << 8 | header[5];
		protocol = header[6];
		tcp_length = header[IPV6_BYTES + TCP_LENGTH_AT];
	} else {
		return 0;
	}
	if (protocol == SHOWDOWN_TCP)
		used = (tcp_length >> 4) * 4;
	else if (protocol == SHOWDOWN_UDP)
		used = UDP_BYTES;
	else
		return 0;
	return behind > used;
}

/* Whether this packet is followed. What must not go on being followed is dropped with `packet->skb = 0`. */
ALWAYS_INLINE int is_followed(const struct packet *packet, __u64 skb)
{
	return packet->skb == skb;
}

/* Begin to follow a packet that carries payload, at a device of the lab. */
ALWAYS_INLINE void follow(struct packet *packet, struct stage *stage, const struct watch *watch, __u64 skb, int device,
			  int where)
{
	if (!watch->open || !has_payload(skb, where) || !begin(stage, watch, &packet->start))
		return;
	packet->skb = skb;
	packet->device = device;
}

/* The same, for a packet that was just received: its device is read from it. */
ALWAYS_INLINE void follow_received(struct packet *packet, struct stage *stage, const struct watch *watch, __u64 skb)
{
	const void *net_device = NULL;
	int device;

	if (!watch->open || !is_tracked(stage))
		return;
	if (bpf_probe_read_kernel(&net_device, sizeof(net_device), (void *)skb + SK_BUFF_DEV))
		return;
	device = watched_device(watch, net_device);
	if (device >= 0)
		follow(packet, stage, watch, skb, device, RECEIVED);
}

#endif
