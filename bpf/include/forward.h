/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What forwarding between the DUT's devices takes, in tc and XDP programs alike. */
#ifndef SHOWDOWN_FORWARD_H
#define SHOWDOWN_FORWARD_H

#include "packet.h"

struct link {
	struct address hop;
	__u32 ifindex;
	__u8 ours[ETH_ALEN];
	__u8 theirs[ETH_ALEN];
};

struct config {
	/* The client, or the network of several. */
	struct address client;
	struct address client_mask;
	struct address origin;
	struct link to_client;
	struct link to_origin;
	__be16 port;
	__u16 padding;
};

/* PACKETS are the client's that are not dropped. */
enum count { PACKETS, BYTES, CONNECTIONS, DROPPED, COUNTS };

static inline __attribute__((always_inline)) int is_from_client(const struct config *c, const struct segment *segment)
{
	return is_same(destination_of(segment->ip), &c->origin) && segment->tcp->dest == c->port;
}

static inline __attribute__((always_inline)) int is_clients(const struct config *c, const struct address *address)
{
	__u32 differing = 0;
	int i;

#pragma unroll
	for (i = 0; i < ADDRESS_WORDS; i++)
		differing |= (address->word[i] & c->client_mask.word[i]) ^ c->client.word[i];
	return !differing;
}

static inline __attribute__((always_inline)) int is_from_origin(const struct config *c, const struct segment *segment)
{
	return is_same(source_of(segment->ip), &c->origin) && is_clients(c, destination_of(segment->ip)) &&
	       segment->tcp->source == c->port;
}

/* A router forwards nothing whose time to live ends here. The stack would answer with ICMP; in a lab this can
 * only be a loop.
 */
static inline __attribute__((always_inline)) int has_time_left(const struct segment *segment)
{
	return segment->ip->HOP_LIMIT > 1;
}

/* The Ethernet header of the next link; it is right before the IP header. */
static inline __attribute__((always_inline)) void readdress(struct segment *segment, const struct link *link)
{
	struct ethhdr *eth = (struct ethhdr *)segment->ip - 1;

	__builtin_memcpy(eth->h_dest, link->theirs, ETH_ALEN);
	__builtin_memcpy(eth->h_source, link->ours, ETH_ALEN);
}

#endif
