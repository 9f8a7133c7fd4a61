// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Balance connections over origins at tc ingress: Maglev hashing, a table of connections, translation both ways.
 *
 * Headers are written by helpers only: a program that writes to a packet directly begins with making all of its linear
 * part writable (bpf_unclone_prologue), for every packet that TCP holds on to, that is, for all of them.
 */

#include "packet.h"
#include "balance.h"

/* BCC 0.26 declares this helper with its arguments of Linux 5.9; they are four since 5.10. */
static long (*redirect_neigh)(__u32 ifindex, struct bpf_redir_neigh *next_hop, int next_hop_bytes,
			      __u64 flags) = (void *)BPF_FUNC_redirect_neigh;

BPF_ARRAY(config, struct config, 1);
BPF_ARRAY(maglev, struct maglev, 1);
BPF_TABLE("lru_hash", struct flow, struct connection, connections, CONNECTIONS_KEPT);
BPF_PERCPU_ARRAY(counts, __u64, COUNTS + MAX_ORIGINS);

/* Only this CPU writes its own entry, and tc runs with bottom halves off: no atomics needed. */
ALWAYS_INLINE void count(__u32 what, __u64 amount)
{
	__u64 *value = counts.lookup(&what);

	if (value)
		*value += amount;
}

/* The number of the origin that a client's segment goes to, or NOBODY. */
ALWAYS_INLINE __u32 origin_of(struct config *c, struct flow *flow, struct tcphdr *tcp)
{
	struct connection *known = connections.lookup(flow), fresh = {};
	int opening = is_opening(tcp), zero = 0;
	struct maglev *table;

	if (known && is_kept(c, known, opening)) {
		fresh.origin = known->origin;
		if (!opening || known->opened_by == tcp->seq)
			return fresh.origin;
		/* The same port again. Its table entry goes on to be used. */
		known->opened_by = tcp->seq;
	} else {
		table = maglev.lookup(&zero);
		fresh.origin = table ? chosen(table, flow) : NOBODY;
		fresh.opened_by = tcp->seq;
		if (fresh.origin >= MAX_ORIGINS)
			return NOBODY;
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

ALWAYS_INLINE int forward(struct __sk_buff *skb, struct segment *segment, __be32 saddr, __be32 daddr, __u32 ifindex,
			  __be32 next_hop)
{
	struct bpf_redir_neigh neighbour = {.nh_family = 2 /* AF_INET */, .ipv4_nh = next_hop};
	struct ip_rest rest = translated(segment->ip, saddr, daddr);
	/* One of the two stays what it is. */
	__be32 from = segment->ip->saddr == saddr ? segment->ip->daddr : segment->ip->saddr;
	__be32 to = segment->ip->saddr == saddr ? daddr : saddr;

	/* The helper knows whether the checksum is whole, or what the device is to complete. */
	if (bpf_l4_csum_replace(skb, ETH_HLEN + sizeof(struct iphdr) + offsetof(struct tcphdr, check), from, to,
				BPF_F_PSEUDO_HDR | sizeof(from)) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN + IP_REST_AT, &rest, sizeof(rest), 0))
		return TC_ACT_SHOT; /* counted as what the device did not send */
	return redirect_neigh(ifindex, &neighbour, sizeof(neighbour), 0);
}

int from_client(struct __sk_buff *skb)
{
	__u32 zero = 0, number;
	struct config *c = config.lookup(&zero);
	struct segment segment;
	struct flow flow = {};

	/* What is not for the virtual address goes the routed path, which is closed: ARP passes, the rest is
	 * dropped and counted there.
	 */
	if (!c || !read_segment(skb, &segment) || segment.ip->daddr != c->virtual || segment.tcp->dest != c->port)
		return TC_ACT_OK;

	/* A router forwards nothing whose time to live ends here. */
	if (segment.ip->ttl <= 1) {
		count(EXPIRED, 1);
		return TC_ACT_SHOT;
	}
	flow.client = segment.ip->saddr;
	flow.client_port = segment.tcp->source;
	number = origin_of(c, &flow, segment.tcp);
	if (number == NOBODY) {
		count(REFUSED, 1);
		return TC_ACT_SHOT;
	}
	count(PACKETS, 1);
	return forward(skb, &segment, flow.client, address_of(c, number), c->server_ifindex, address_of(c, number));
}

/* Any segment from an origin's port: no look-up, and what an origin sends gets through though the table was emptied. */
int from_origin(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct config *c = config.lookup(&zero);
	struct segment segment;

	if (!c || !read_segment(skb, &segment) || segment.tcp->source != c->port || !is_origin(c, segment.ip->saddr))
		return TC_ACT_OK;
	if (segment.ip->ttl <= 1) {
		count(EXPIRED, 1);
		return TC_ACT_SHOT;
	}
	count(RETURNED, 1);
	count(BYTES, payload_bytes(skb, &segment));
	return forward(skb, &segment, c->virtual, segment.ip->daddr, c->client_ifindex, c->client_hop);
}
