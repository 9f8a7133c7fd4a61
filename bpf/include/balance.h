/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What load balancers share, at tc and in XDP: whom a connection goes to, and how its packets are translated.
 *
 * MAX_ORIGINS and MAGLEV_SLOTS are -D constants. BCC rewrites map accesses in the main source only, so functions here
 * take pointers, never maps.
 */
#ifndef SHOWDOWN_BALANCE_H
#define SHOWDOWN_BALANCE_H

#include <uapi/linux/bpf.h>
#include <uapi/linux/tcp.h>

#include "ip.h"

enum state {
	UP,
	DOWN, /* it gets no new connection */
	GONE, /* standing connections leave it, too */
};

struct origin {
	struct address address;
	__u32 state;
};

struct config {
	struct address virtual;
	struct address client_hop;
	__u32 client_ifindex;
	__u32 server_ifindex;
	__be16 port;
	__u16 origins;
	/* Of frames to the client's and to the server's side: destination, then source. */
	__u8 client_macs[2 * ETH_ALEN];
	__u8 server_macs[2 * ETH_ALEN];
	struct origin origin[MAX_ORIGINS];
};

/* The origin's number in each slot; none has NOBODY. */
struct maglev {
	__u8 origin[MAGLEV_SLOTS];
};
#define NOBODY 0xff

/* The virtual address and its port are the configuration's. */
struct flow {
	struct address client;
	__be16 client_port;
	__u16 padding;
};

/* The sequence number of the SYN tells a SYN that is sent again from that of another connection. */
struct connection {
	__u32 origin;
	__be32 opened_by;
};

/* Per-CPU counters; behind them, one for each origin: the connections that it was given. */
enum count {
	PACKETS,
	BYTES,
	CONNECTIONS,
	REFUSED,  /* no origin is up */
	EXPIRED,  /* no time left to live */
	ADOPTED,  /* a standing connection that was in no table */
	RETURNED, /* packets of origins, on their way to the client */
	COUNTS
};

/* The finalizer of MurmurHash3: every bit of the value changes half of the hash's. */
ALWAYS_INLINE __u64 mixed(__u64 hash)
{
	hash ^= hash >> 33;
	hash *= 0xff51afd7ed558ccdULL;
	hash ^= hash >> 33;
	hash *= 0xc4ceb9fe1a85ec53ULL;
	hash ^= hash >> 33;
	return hash;
}

ALWAYS_INLINE __u32 flow_slot(const struct flow *flow)
{
	const __be32 *word = flow->client.word;
	__u64 hash = (__u64)word[ADDRESS_WORDS - 1] << 16 | flow->client_port;

#if IP_VERSION == 6
	hash ^= mixed((__u64)word[0] << 32 | word[1]) ^ (__u64)word[2] << 32;
#endif
	return (__u32)mixed(hash) % MAGLEV_SLOTS;
}

ALWAYS_INLINE int is_opening(const struct tcphdr *tcp)
{
	return tcp->syn && !tcp->ack;
}

/* A new connection keeps no place at an origin that is not up, and nobody's connection stays where nothing is. */
ALWAYS_INLINE int is_kept(const struct config *c, const struct connection *known, int opening)
{
	__u32 number = known->origin;

	/* Never out of bounds, but the verifier must see it, and in the register that is used. */
	asm volatile("" : "+r"(number));
	if (number >= MAX_ORIGINS)
		return 0;
	return opening ? c->origin[number].state == UP : c->origin[number].state != GONE;
}

ALWAYS_INLINE __u32 chosen(const struct maglev *table, const struct flow *flow)
{
	__u32 slot = flow_slot(flow);

	asm volatile("" : "+r"(slot));
	return slot < MAGLEV_SLOTS ? table->origin[slot] : NOBODY;
}

ALWAYS_INLINE struct address address_of(const struct config *c, __u32 number)
{
	struct address nowhere = {};

	asm volatile("" : "+r"(number));
	return number < MAX_ORIGINS ? c->origin[number].address : nowhere;
}

/* Whether it is an origin's address. A loop over a few words costs less than a look-up. */
ALWAYS_INLINE int is_origin(const struct config *c, const struct address *address)
{
	int i, found = 0;

#pragma unroll
	for (i = 0; i < MAX_ORIGINS; i++)
		found |= is_same(&c->origin[i].address, address);
	return found;
}

/* An Internet checksum after 32 bits under it have changed (RFC 1624, equation 3); any byte order will do. */
ALWAYS_INLINE __u16 changed_check(__u16 check, __u32 from, __u32 to)
{
	__u32 sum = (__u16)~check;

	from = ~from;
	sum += (from & 0xffff) + (from >> 16) + (to & 0xffff) + (to >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* The same after an address has changed. */
ALWAYS_INLINE __u16 readdressed_check(__u16 check, const struct address *from, const struct address *to)
{
	int i;

#pragma unroll
	for (i = 0; i < ADDRESS_WORDS; i++)
		check = changed_check(check, from->word[i], to->word[i]);
	return check;
}

/* The IP header from the hop limit on: all that a translation changes of it. */
#if IP_VERSION == 6
struct ip_rest {
	__u8 hop_limit;
	struct address saddr;
	struct address daddr;
} __attribute__((packed));

/* The header as it leaves, with other addresses and one hop less to live. IPv6 has no checksum of it. */
ALWAYS_INLINE struct ip_rest translated(const ip_header *ip, const struct address *saddr, const struct address *daddr)
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

ALWAYS_INLINE struct ip_rest translated(const ip_header *ip, const struct address *saddr, const struct address *daddr)
{
	struct ip_rest rest = {ip->ttl, ip->protocol, ip->check, *saddr, *daddr};
	__u32 check;

	rest.check = readdressed_check(rest.check, source_of(ip), saddr);
	rest.check = readdressed_check(rest.check, destination_of(ip), daddr);
	/* As ip_decrease_ttl(): routed packets pay for this too. */
	check = rest.check + (__u32)bpf_htons(0x0100);
	rest.check = (__u16)(check + (check >= 0xffff));
	rest.ttl--;
	return rest;
}
#endif
#define IP_REST_AT offsetof(ip_header, HOP_LIMIT)

#endif
