/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the load balancers share, in tc and in XDP: the choice of an origin for a connection, and address translation.
 * MAX_ORIGINS (how many the lab has), MAGLEV_SLOTS and CONNECTIONS_KEPT are -D constants.
 */
#ifndef SHOWDOWN_BALANCE_H
#define SHOWDOWN_BALANCE_H

#include "packet.h"

enum state {
	UP,
	DOWN, /* the origin gets no new connection */
	GONE, /* its established connections move to other origins, too */
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
BPF_ARRAY(config, struct config, 1);

/* The addresses of all origins; the values mean nothing. */
BPF_HASH(origins, struct address, __u32, MAX_ORIGINS);
/* A loop over so many addresses costs less than a map lookup, which takes as long for any number. */
#define LOOPED_ORIGINS 8

/* The index of an origin in each slot of the Maglev table; NO_ORIGIN while no origin is up. */
struct maglev {
	__u8 origin[MAGLEV_SLOTS];
};
#define NO_ORIGIN 0xff
BPF_ARRAY(maglev, struct maglev, 1);

/* The client's side of a connection or of a flow of datagrams; the other side is the virtual address and its port. */
struct flow {
	struct address client;
	__be16 client_port;
	__u16 protocol; /* IPPROTO_ */
};

/* opened_by is the sequence number of the SYN: a retransmitted SYN has the same, that of another connection has not.
 * Datagrams have none.
 */
struct connection {
	__u32 origin;
	__be32 opened_by;
};
BPF_TABLE("lru_hash", struct flow, struct connection, connections, CONNECTIONS_KEPT);

/* Behind these there is one counter for each origin: the connections that it was given. */
enum count {
	PACKETS,
	BYTES,
	CONNECTIONS,
	REFUSED,  /* no origin is up */
	EXPIRED,  /* the TTL or hop limit would become 0 */
	ADOPTED,  /* established connections that were not in the table */
	RETURNED, /* packets of origins, on their way to the client */
	COUNTS
};
#define COUNTERS (COUNTS + MAX_ORIGINS)

#include "counter.h"

static __always_inline struct config *configuration(void)
{
	int zero = 0;

	return config.lookup(&zero);
}

/* The finalizer of MurmurHash3: each bit of the value changes half of the bits of the result. */
static __always_inline __u64 mixed(__u64 hash)
{
	hash ^= hash >> 33;
	hash *= 0xff51afd7ed558ccdULL;
	hash ^= hash >> 33;
	hash *= 0xc4ceb9fe1a85ec53ULL;
	hash ^= hash >> 33;
	return hash;
}

static __always_inline __u32 flow_slot(const struct flow *flow)
{
	const __be32 *word = flow->client.word;
	__u64 hash = (__u64)word[ADDRESS_WORDS - 1] << 16 | flow->client_port;

#if IP_VERSION == 6
	hash ^= mixed((__u64)word[0] << 32 | word[1]) ^ (__u64)word[2] << 32;
#endif
	return (__u32)mixed(hash) % MAGLEV_SLOTS;
}

/* Whether a connection stays with its origin: a new one only if the origin is up, an established one unless it is gone.
 */
static __always_inline int is_kept(const struct config *cfg, const struct connection *known, int opening)
{
	__u32 number = known->origin;

	/* Never out of bounds, but the verifier needs the check, on the register that is the index. */
	asm volatile("" : "+r"(number));
	if (number >= MAX_ORIGINS)
		return 0;
	return opening ? cfg->origin[number].state == UP : cfg->origin[number].state != GONE;
}

static __always_inline __u32 chosen(const struct flow *flow)
{
	__u32 slot = flow_slot(flow);
	struct maglev *table;
	int zero = 0;

	table = maglev.lookup(&zero);
	asm volatile("" : "+r"(slot));
	return table && slot < MAGLEV_SLOTS ? table->origin[slot] : NO_ORIGIN;
}

/* The index of the origin that a client's segment goes to, or NO_ORIGIN. */
static __always_inline __u32 origin_of(struct config *cfg, struct flow *flow, struct tcphdr *tcp)
{
	struct connection *known = connections.lookup(flow), fresh = {};
	int opening = is_syn(tcp);

	if (known && is_kept(cfg, known, opening)) {
		fresh.origin = known->origin;
		if (!opening || known->opened_by == tcp->seq)
			return fresh.origin;
		/* A new connection from the same port keeps the table's entry. */
		known->opened_by = tcp->seq;
	} else {
		fresh.origin = chosen(flow);
		fresh.opened_by = tcp->seq;
		if (fresh.origin >= MAX_ORIGINS)
			return NO_ORIGIN;
		connections.update(flow, &fresh);
	}
	if (opening) {
		count(CONNECTIONS, 1);
		count(COUNTS + fresh.origin, 1);
	} else {
		count(ADOPTED, 1);
	}
	return fresh.origin;
}

/* The same for a datagram. Nothing opens a flow: its first datagram is the one that is not in the table. */
static __always_inline __u32 origin_of_datagram(struct config *cfg, struct flow *flow)
{
	struct connection *known = connections.lookup(flow), fresh = {};

	if (known && is_kept(cfg, known, 0))
		return known->origin;
	fresh.origin = chosen(flow);
	if (fresh.origin >= MAX_ORIGINS)
		return NO_ORIGIN;
	connections.update(flow, &fresh);
	count(CONNECTIONS, 1);
	count(COUNTS + fresh.origin, 1);
	return fresh.origin;
}

static __always_inline struct address address_of(const struct config *cfg, __u32 number)
{
	struct address nowhere = {};

	asm volatile("" : "+r"(number));
	return number < MAX_ORIGINS ? cfg->origin[number].address : nowhere;
}

/* Whether it is the address of an origin. */
static __always_inline int is_origin(const struct config *cfg, const struct address *address)
{
#if MAX_ORIGINS > LOOPED_ORIGINS
	struct address wanted = *address;

	return origins.lookup(&wanted) != NULL;
#else
	int i, found = 0;

#pragma unroll
	for (i = 0; i < MAX_ORIGINS; i++)
		found |= is_same(&cfg->origin[i].address, address);
	return found;
#endif
}

static __always_inline int is_for_virtual(const struct config *cfg, const ip_header *ip, __be16 dport)
{
	return is_same(destination_of(ip), &cfg->virtual) && dport == cfg->port;
}

/* Any packet from an origin's port: no table lookup, so answers still arrive after the table was emptied. */
static __always_inline int is_from_origin(const struct config *cfg, const ip_header *ip, __be16 sport)
{
	return sport == cfg->port && is_origin(cfg, source_of(ip));
}

#endif
