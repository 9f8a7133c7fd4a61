/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What programs share that forward between the DUT's devices, in tc and in XDP. */
#ifndef SHOWDOWN_FORWARD_H
#define SHOWDOWN_FORWARD_H

#include "packet.h"

/* Where a packet leaves, and the host at the other end of that link. */
struct neighbour {
	struct address address;
	__u32 ifindex;
	__u8 source_mac[ETH_ALEN];
	__u8 destination_mac[ETH_ALEN];
};

struct config {
	struct address client; /* the client, or the network of several */
	struct address client_mask;
	struct address origin;
	struct neighbour to_client;
	struct neighbour to_origin;
	__be16 port;
	__u16 padding;
};
BPF_ARRAY(config, struct config, 1);

/* PACKETS are the client's packets that the program passed on. */
enum count { PACKETS, BYTES, CONNECTIONS, DROPPED, COUNTS };

#include "counter.h"

static __always_inline struct config *configuration(void)
{
	int zero = 0;

	return config.lookup(&zero);
}

static __always_inline int is_from_client(const struct config *cfg, const ip_header *ip, __be16 dport)
{
	return is_same(destination_of(ip), &cfg->origin) && dport == cfg->port;
}

static __always_inline int is_clients(const struct config *cfg, const struct address *address)
{
	__u32 differing = 0;
	int i;

#pragma unroll
	for (i = 0; i < ADDRESS_WORDS; i++)
		differing |= (address->word[i] & cfg->client_mask.word[i]) ^ cfg->client.word[i];
	return !differing;
}

static __always_inline int is_from_origin(const struct config *cfg, const ip_header *ip, __be16 sport)
{
	return is_same(source_of(ip), &cfg->origin) && is_clients(cfg, destination_of(ip)) && sport == cfg->port;
}

/* A router drops a packet whose TTL would become 0. The routed path would also send an ICMP error; in a lab only a loop
 * can cause this, so the programs do not.
 */
static __always_inline int has_time_left(const ip_header *ip)
{
	return ip->HOP_LIMIT > 1;
}

/* Write the Ethernet addresses of the next link. The Ethernet header is directly before the IP header. */
static __always_inline void readdress(ip_header *ip, const struct neighbour *to)
{
	struct ethhdr *eth = (struct ethhdr *)ip - 1;

	__builtin_memcpy(eth->h_dest, to->destination_mac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, to->source_mac, ETH_ALEN);
}

#endif
