/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What differs between the IP versions. IP_VERSION, 4 or 6, is a -D constant: a program is compiled for one version and
 * has no branch for the other.
 */
#ifndef SHOWDOWN_IP_H
#define SHOWDOWN_IP_H

#include "socket.h"

#include <uapi/linux/if_ether.h>
#include <uapi/linux/in.h>
#include <uapi/linux/ip.h>
#include <uapi/linux/ipv6.h>

#if IP_VERSION == 6
#define ADDRESS_WORDS 4
#define FAMILY 10 /* AF_INET6 */
#define ETHERTYPE ETH_P_IPV6
#define HOP_LIMIT hop_limit
typedef struct ipv6hdr ip_header;
#else
#define ADDRESS_WORDS 1
#define FAMILY 2 /* AF_INET */
#define ETHERTYPE ETH_P_IP
#define HOP_LIMIT ttl
typedef struct iphdr ip_header;
#endif

struct address {
	__be32 word[ADDRESS_WORDS];
};

static __always_inline const struct address *source_of(const ip_header *ip)
{
	return (const void *)&ip->saddr;
}

static __always_inline const struct address *destination_of(const ip_header *ip)
{
	return (const void *)&ip->daddr;
}

static __always_inline int is_same(const struct address *a, const struct address *b)
{
	__u32 differing = 0;
	int i;

#pragma unroll
	for (i = 0; i < ADDRESS_WORDS; i++)
		differing |= a->word[i] ^ b->word[i];
	return !differing;
}

/* Whether the TCP header follows the IP header at once. Options or extension headers move it, and a later fragment has
 * none. Labs send neither, so such a packet is treated as no segment: the closed path drops and counts it.
 */
static __always_inline int is_plain_tcp(const ip_header *ip)
{
#if IP_VERSION == 6
	return ip->nexthdr == IPPROTO_TCP;
#else
	return ip->protocol == IPPROTO_TCP && ip->ihl == 5 && !(ip->frag_off & bpf_htons(0x3fff));
#endif
}

/* The same for UDP. */
static __always_inline int is_plain_udp(const ip_header *ip)
{
#if IP_VERSION == 6
	return ip->nexthdr == IPPROTO_UDP;
#else
	return ip->protocol == IPPROTO_UDP && ip->ihl == 5 && !(ip->frag_off & bpf_htons(0x3fff));
#endif
}

/* Bytes behind the IP header, by its length field: a short frame has padding behind them. */
static __always_inline __u64 ip_payload_bytes(const ip_header *ip)
{
#if IP_VERSION == 6
	return bpf_ntohs(ip->payload_len);
#else
	__u32 total = bpf_ntohs(ip->tot_len);

	return total > sizeof(*ip) ? total - sizeof(*ip) : 0;
#endif
}

/* Decrement the TTL or hop limit. For IPv4 it updates the checksum as ip_decrease_ttl() of include/net/ip.h does, so
 * that a program does the same work as the routed path. IPv6 has no header checksum.
 */
static __always_inline void decrease_hop_limit(ip_header *ip)
{
#if IP_VERSION == 4
	__u32 check = ip->check;

	check += bpf_htons(0x0100);
	ip->check = (__sum16)(check + (check >= 0xffff));
#endif
	ip->HOP_LIMIT--;
}

#endif
