/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whether a packet carries payload, at the tracepoints that see it. */
#ifndef SHOWDOWN_PAYLOAD_H
#define SHOWDOWN_PAYLOAD_H

#include "probe.h"

/* Where skb->data points: to the IP header (netif_receive_skb), or to the link layer's header before it (net_dev_queue,
 * net_dev_start_xmit).
 */
#define RECEIVED 0
#define SENT 1

#define SHOWDOWN_TCP 6
#define SHOWDOWN_UDP 17
/* The IP header without options or extension headers; the byte of the TCP header that holds its length. */
#define IP_BYTES 20
#define IPV6_BYTES 40
#define TCP_LENGTH_AT 12
#define UDP_BYTES 8

/* The address of a packet's IP header, or NULL. */
static __always_inline const void *ip_header_of(__u64 skb, int where)
{
	/* head and network_header are close together in the sk_buff. One read of all that is between them costs as
	 * much as a read of either.
	 */
	__u8 between[SK_BUFF_HEAD - SK_BUFF_NETWORK_HEADER + sizeof(void *)];
	const void *ip = NULL;

	if (where == RECEIVED)
		return bpf_probe_read_kernel(&ip, sizeof(ip), (void *)skb + SK_BUFF_DATA) ? NULL : ip;
	if (bpf_probe_read_kernel(between, sizeof(between), (void *)skb + SK_BUFF_NETWORK_HEADER))
		return NULL;
	return *(const void **)&between[SK_BUFF_HEAD - SK_BUFF_NETWORK_HEADER] + *(__u16 *)between;
}

/* A bare acknowledgement carries none, and is no part of a request's way. Labs send IPv4 without options and IPv6
 * without extension headers. As many bytes are read for IPv4 as for IPv6: the buffer is always larger, and one read
 * costs less than two.
 */
static __always_inline int has_payload(__u64 skb, int where)
{
	__u8 header[IPV6_BYTES + TCP_LENGTH_AT + 4] = {};
	const void *ip = ip_header_of(skb, where);
	__u32 behind, used;
	__u8 protocol, tcp_length;

	if (!ip || bpf_probe_read_kernel(header, sizeof(header), ip))
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

#endif
