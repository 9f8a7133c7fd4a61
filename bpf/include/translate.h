/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Address translation: checksums, and the part of the IP header that changes. */
#ifndef SHOWDOWN_TRANSLATE_H
#define SHOWDOWN_TRANSLATE_H

#include "ip.h"

/* An Internet checksum after 32 bits of its data have changed (RFC 1624, equation 3). It works in any byte order. */
static __always_inline __u16 changed_check(__u16 check, __u32 from, __u32 to)
{
	__u32 sum = (__u16)~check;

	from = ~from;
	sum += (from & 0xffff) + (from >> 16) + (to & 0xffff) + (to >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline __u16 readdressed_check(__u16 check, const struct address *from, const struct address *to)
{
	int i;

#pragma unroll
	for (i = 0; i < ADDRESS_WORDS; i++)
		check = changed_check(check, from->word[i], to->word[i]);
	return check;
}

/* The IP header from the TTL or hop limit on: all that a translation changes. */
#if IP_VERSION == 6
struct ip_rest {
	__u8 hop_limit;
	struct address saddr;
	struct address daddr;
} __attribute__((packed));

/* The header with other addresses and a lower hop limit. IPv6 has no header checksum. */
static __always_inline struct ip_rest translated(const ip_header *ip, const struct address *saddr,
						 const struct address *daddr)
{
	struct ip_rest rest = {ip->hop_limit - 1, *saddr, *daddr};

	return rest;
}
#else
struct ip_rest {
	__u8 ttl;
	__u8 protocol;
	__u16 check;
	struct address saddr;
	struct address daddr;
};

static __always_inline struct ip_rest translated(const ip_header *ip, const struct address *saddr,
						 const struct address *daddr)
{
	struct ip_rest rest = {ip->ttl, ip->protocol, ip->check, *saddr, *daddr};
	__u32 check;

	rest.check = readdressed_check(rest.check, source_of(ip), saddr);
	rest.check = readdressed_check(rest.check, destination_of(ip), daddr);
	/* As ip_decrease_ttl() of include/net/ip.h, so that the program does the same work as the routed path. */
	check = rest.check + (__u32)bpf_htons(0x0100);
	rest.check = (__u16)(check + (check >= 0xffff));
	rest.ttl--;
	return rest;
}
#endif
#define IP_REST_AT offsetof(ip_header, HOP_LIMIT)

#endif
