// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Balance connections over origins at tc ingress: Maglev hashing, a connection table, address translation both ways.
 *
 * Only helpers write to the packet. The verifier starts a program that writes to it directly with
 * bpf_unclone_prologue(), which makes the whole linear part writable: for every packet of which TCP keeps a clone, that
 * is, for all of them.
 */
#include "balance.h"
#include "neigh.h"
#include "translate.h"

/* Update the TCP checksum for one changed address. The helper knows whether the checksum is complete or left to the
 * device. For IPv6 it gets the difference at once: with one call per word it would access the packet four times.
 */
static __always_inline long change_check(struct __sk_buff *skb, struct address *from, struct address *to)
{
	__u32 at = ETH_HLEN + sizeof(ip_header) + offsetof(struct tcphdr, check);

#if IP_VERSION == 6
	return bpf_l4_csum_replace(skb, at, 0, bpf_csum_diff(from->word, sizeof(*from), to->word, sizeof(*to), 0),
				   BPF_F_PSEUDO_HDR);
#else
	return bpf_l4_csum_replace(skb, at, from->word[0], to->word[0], BPF_F_PSEUDO_HDR | sizeof(*from));
#endif
}

/* Translate one of the two addresses, from `from` to `to`, and send the packet to the next hop. */
static __always_inline int forward(struct __sk_buff *skb, struct address *from, struct address *to,
				   struct ip_rest *rest, __u32 ifindex, const struct address *next_hop)
{
	if (change_check(skb, from, to) || bpf_skb_store_bytes(skb, ETH_HLEN + IP_REST_AT, rest, sizeof(*rest), 0))
		return TC_ACT_SHOT; /* counted as a packet that the device did not send */
	return redirect_to_hop(ifindex, next_hop);
}

int from_client(struct __sk_buff *skb)
{
	struct config *cfg = configuration();
	struct segment segment;
	struct address from, origin;
	struct ip_rest rest;
	struct flow flow = {};
	__u32 number;

	/* Any other packet takes the closed routed path: ARP passes, the rest is dropped and counted there. */
	if (!cfg || !read_segment(skb, &segment) || !is_for_virtual(cfg, &segment))
		return TC_ACT_OK;

	/* A router drops a packet whose TTL would become 0. */
	if (segment.ip->HOP_LIMIT <= 1) {
		count(EXPIRED, 1);
		return TC_ACT_SHOT;
	}
	flow.client = *source_of(segment.ip);
	flow.client_port = segment.tcp->source;
	number = origin_of(cfg, &flow, segment.tcp);
	if (number == NO_ORIGIN) {
		count(REFUSED, 1);
		return TC_ACT_SHOT;
	}
	count(PACKETS, 1);
	origin = address_of(cfg, number);
	rest = translated(segment.ip, &flow.client, &origin);
	from = *destination_of(segment.ip);
	return forward(skb, &from, &origin, &rest, cfg->server_ifindex, &origin);
}

int from_origin(struct __sk_buff *skb)
{
	struct config *cfg = configuration();
	struct segment segment;
	struct address from, to;
	struct ip_rest rest;

	if (!cfg || !read_segment(skb, &segment) || !is_from_origin(cfg, &segment))
		return TC_ACT_OK;
	if (segment.ip->HOP_LIMIT <= 1) {
		count(EXPIRED, 1);
		return TC_ACT_SHOT;
	}
	count(RETURNED, 1);
	count(BYTES, payload_bytes(skb, &segment));
	rest = translated(segment.ip, &cfg->virtual, destination_of(segment.ip));
	from = *source_of(segment.ip);
	to = cfg->virtual;
	return forward(skb, &from, &to, &rest, cfg->client_ifindex, &cfg->client_hop);
}
