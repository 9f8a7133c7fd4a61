// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Balance connections over origins with XDP: Maglev hashing, a table of connections, translation both ways.
 *
 * As ebpf_lb, before the kernel makes an skb of the frame. Checksums are changed by hand, and must be whole ones.
 */

#include "frame.h"
#include "balance.h"

BPF_ARRAY(config, struct config, 1);
BPF_ARRAY(maglev, struct maglev, 1);
BPF_TABLE("lru_hash", struct flow, struct connection, connections, CONNECTIONS_KEPT);
BPF_PERCPU_ARRAY(counts, __u64, COUNTS + MAX_ORIGINS);

/* Only this CPU writes its own entry, and XDP runs with bottom halves off: no atomics needed. */
ALWAYS_INLINE void count(__u32 what, __u64 amount)
{
	__u64 *value = counts.lookup(&what);

	if (value)
		*value += amount;
}

/* The number of the origin that a client's segment goes to, or NOBODY. The same as in ebpf_lb.c: BCC wants map
 * accesses in the main source.
 */
ALWAYS_INLINE __u32 origin_of(struct config *c, struct flow *flow, struct tcphdr *tcp)
{
	struct connection *known = connections.lookup(flow), fresh = {};
	int opening = is_opening(tcp), zero = 0;
	struct maglev *table;

	if (known && is_kept(c, known, opening)) {
		fresh.origin = known->origin;
		if (!opening || known->opened_by == tcp->seq)
			return fresh.origin;
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

ALWAYS_INLINE int forward(struct segment *segment, const struct address *saddr, const struct address *daddr,
			  __u32 ifindex, const __u8 *macs)
{
	struct ip_rest rest = translated(segment->ip, saddr, daddr);

	segment->tcp->check = readdressed_check(segment->tcp->check, source_of(segment->ip), saddr);
	segment->tcp->check = readdressed_check(segment->tcp->check, destination_of(segment->ip), daddr);
	__builtin_memcpy((void *)segment->ip + IP_REST_AT, &rest, sizeof(rest));
	/* The Ethernet header is right before the IP header, its addresses first. */
	__builtin_memcpy((struct ethhdr *)segment->ip - 1, macs, 2 * ETH_ALEN);
	return bpf_redirect(ifindex, 0);
}

int from_client(struct xdp_md *frame)
{
	__u32 zero = 0, number;
	struct config *c = config.lookup(&zero);
	struct segment segment;
	struct address origin;
	struct flow flow = {};

	/* What is not for the virtual address goes the routed path, which is closed: ARP passes, the rest is
	 * dropped and counted there.
	 */
	if (!c || !read_frame(frame, &segment) || !is_same(destination_of(segment.ip), &c->virtual) ||
	    segment.tcp->dest != c->port)
		return XDP_PASS;

	/* A router forwards nothing whose time to live ends here. */
	if (segment.ip->HOP_LIMIT <= 1) {
		count(EXPIRED, 1);
		return XDP_DROP;
	}
	flow.client = *source_of(segment.ip);
	flow.client_port = segment.tcp->source;
	number = origin_of(c, &flow, segment.tcp);
	if (number == NOBODY) {
		count(REFUSED, 1);
		return XDP_DROP;
	}
	count(PACKETS, 1);
	origin = address_of(c, number);
	return forward(&segment, &flow.client, &origin, c->server_ifindex, c->server_macs);
}

/* Any segment from an origin's port: no look-up, and what an origin sends gets through though the table was emptied. */
int from_origin(struct xdp_md *frame)
{
	__u32 zero = 0;
	struct config *c = config.lookup(&zero);
	struct segment segment;
	struct address client;

	if (!c || !read_frame(frame, &segment) || segment.tcp->source != c->port ||
	    !is_origin(c, source_of(segment.ip)))
		return XDP_PASS;
	if (segment.ip->HOP_LIMIT <= 1) {
		count(EXPIRED, 1);
		return XDP_DROP;
	}
	count(RETURNED, 1);
	count(BYTES, frame_payload_bytes(&segment));
	client = *destination_of(segment.ip);
	return forward(&segment, &c->virtual, &client, c->client_ifindex, c->client_macs);
}
