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

/* Where one of its addresses changes. The helper knows whether the checksum is whole, or what the device is to
 * complete. For IPv6 it is told the difference at once: told word by word, it would look at the packet four times.
 */
ALWAYS_INLINE long change_check(struct __sk_buff *skb, struct address *from, struct address *to)
{
	__u32 at = ETH_HLEN + sizeof(ip_header) + offsetof(struct tcphdr, check);

#if IP_VERSION == 6
	return bpf_l4_csum_replace(skb, at, 0, bpf_csum_diff(from->word, sizeof(*from), to->word, sizeof(*to), 0),
				   BPF_F_PSEUDO_HDR);
#else
	return bpf_l4_csum_replace(skb, at, from->word[0], to->word[0], BPF_F_PSEUDO_HDR | sizeof(*from));
#endif
}

/* To another destination, or from another source: of the two addresses one stays what it is. */
ALWAYS_INLINE int forward(struct __sk_buff *skb, struct address *from, struct address *to, const struct ip_rest *rest,
			  __u32 ifindex, const struct address *next_hop)
{
	struct bpf_redir_neigh neighbour = {.nh_family = FAMILY};

	/* A union: ipv6_nh begins where ipv4_nh is. */
	__builtin_memcpy(neighbour.ipv6_nh, next_hop, sizeof(*next_hop));
	if (change_check(skb, from, to) || bpf_skb_store_bytes(skb, ETH_HLEN + IP_REST_AT, rest, sizeof(*rest), 0))
		return TC_ACT_SHOT; /* counted as what the device did not send */
	return redirect_neigh(ifindex, &neighbour, sizeof(neighbour), 0);
}

int from_client(struct __sk_buff *skb)
{
	__u32 zero = 0, number;
	struct config *c = config.lookup(&zero);
	struct segment segment;
	struct address from, origin;
	struct ip_rest rest;
	struct flow flow = {};

	/* What is not for the virtual address goes the routed path, which is closed: ARP passes, the rest is
	 * dropped and counted there.
	 */
	if (!c || !read_segment(skb, &segment) || !is_same(destination_of(segment.ip), &c->virtual) ||
	    segment.tcp->dest != c->port)
		return TC_ACT_OK;

	/* A router forwards nothing whose time to live ends here. */
	if (segment.ip->HOP_LIMIT <= 1) {
		count(EXPIRED, 1);
		return TC_ACT_SHOT;
	}
	flow.client = *source_of(segment.ip);
	flow.client_port = segment.tcp->source;
	number = origin_of(c, &flow, segment.tcp);
	if (number == NOBODY) {
		count(REFUSED, 1);
		return TC_ACT_SHOT;
	}
	count(PACKETS, 1);
	origin = address_of(c, number);
	rest = translated(segment.ip, &flow.client, &origin);
	from = *destination_of(segment.ip);
	return forward(skb, &from, &origin, &rest, c->server_ifindex, &origin);
}

/* Any segment from an origin's port: no look-up, and what an origin sends gets through though the table was emptied. */
int from_origin(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct config *c = config.lookup(&zero);
	struct segment segment;
	struct address from, to;
	struct ip_rest rest;

	if (!c || !read_segment(skb, &segment) || segment.tcp->source != c->port ||
	    !is_origin(c, source_of(segment.ip)))
		return TC_ACT_OK;
	if (segment.ip->HOP_LIMIT <= 1) {
		count(EXPIRED, 1);
		return TC_ACT_SHOT;
	}
	count(RETURNED, 1);
	count(BYTES, payload_bytes(skb, &segment));
	rest = translated(segment.ip, &c->virtual, destination_of(segment.ip));
	from = *source_of(segment.ip);
	to = c->virtual;
	return forward(skb, &from, &to, &rest, c->client_ifindex, &c->client_hop);
}
