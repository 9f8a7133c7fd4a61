// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Balance connections over origins at tc ingress: Maglev hashing, a connection table, address translation both ways.
 *
 * Only helpers write to the packet. The verifier starts a program that writes to it directly with
 * bpf_unclone_prologue(), which makes the whole linear part writable. It does so for every packet of which TCP keeps a
 * clone, that is, for all of them.
 */
#include "balance.h"
#include "neigh.h"
#include "translate.h"

#define TCP_CHECK_AT (ETH_HLEN + sizeof(ip_header) + offsetof(struct tcphdr, check))
#define UDP_CHECK_AT (ETH_HLEN + sizeof(ip_header) + offsetof(struct udphdr, check))

/* Update the checksum of TCP or UDP, at `at`, for one changed address. The helper knows whether the checksum is
 * complete or left to the device. A UDP checksum of 0 means that there is none (BPF_F_MARK_MANGLED_0). For IPv6 it gets
 * the difference at once: with one call per word it would access the packet four times.
 */
static __always_inline long change_check(struct __sk_buff *skb, __u32 at, struct address *from, struct address *to)
{
	__u64 flags = BPF_F_PSEUDO_HDR | (at == UDP_CHECK_AT ? BPF_F_MARK_MANGLED_0 : 0);

#if IP_VERSION == 6
	return bpf_l4_csum_replace(skb, at, 0, bpf_csum_diff(from->word, sizeof(*from), to->word, sizeof(*to), 0),
				   flags);
#else
	return bpf_l4_csum_replace(skb, at, from->word[0], to->word[0], flags | sizeof(*from));
#endif
}

/* Translate one of the two addresses, from `from` to `to`, and send the packet to the next hop. */
static __always_inline int forward(struct __sk_buff *skb, __u32 check_at, struct address *from, struct address *to,
				   struct ip_rest *rest, __u32 ifindex, const struct address *next_hop)
{
	if (change_check(skb, check_at, from, to) ||
	    bpf_skb_store_bytes(skb, ETH_HLEN + IP_REST_AT, rest, sizeof(*rest), 0))
		return TC_ACT_SHOT; /* counted as a packet that the device did not send */
	return redirect_to_hop(ifindex, next_hop);
}

/* Of a client's packet: translate it and send it to the origin, unless there is none. */
static __always_inline int to_origin(struct __sk_buff *skb, struct config *cfg, ip_header *ip, __u32 check_at,
				     struct flow *flow, __u32 number)
{
	struct address from, origin;
	struct ip_rest rest;

	if (number == NO_ORIGIN) {
		count(REFUSED, 1);
		return TC_ACT_SHOT;
	}
	count(PACKETS, 1);
	origin = address_of(cfg, number);
	rest = translated(ip, &flow->client, &origin);
	from = *destination_of(ip);
	return forward(skb, check_at, &from, &origin, &rest, cfg->server_ifindex, &origin);
}

static __always_inline int to_client(struct __sk_buff *skb, struct config *cfg, ip_header *ip, __u32 check_at,
				     __u64 bytes)
{
	struct address from, to;
	struct ip_rest rest;

	count(RETURNED, 1);
	count(BYTES, bytes);
	rest = translated(ip, &cfg->virtual, destination_of(ip));
	from = *source_of(ip);
	to = cfg->virtual;
	return forward(skb, check_at, &from, &to, &rest, cfg->client_ifindex, &cfg->client_hop);
}

/* A router drops a packet whose TTL would become 0. */
static __always_inline int is_expired(const ip_header *ip)
{
	if (ip->HOP_LIMIT > 1)
		return 0;
	count(EXPIRED, 1);
	return 1;
}

int from_client(struct __sk_buff *skb)
{
	struct config *cfg = configuration();
	struct segment segment;
	struct datagram datagram;
	struct flow flow = {};

	/* Any other packet takes the closed routed path: ARP passes, the rest is dropped and counted there. */
	if (!cfg)
		return TC_ACT_OK;
	if (read_segment(skb, &segment)) {
		if (!is_for_virtual(cfg, segment.ip, segment.tcp->dest))
			return TC_ACT_OK;
		if (is_expired(segment.ip))
			return TC_ACT_SHOT;
		flow.client = *source_of(segment.ip);
		flow.client_port = segment.tcp->source;
		flow.protocol = IPPROTO_TCP;
		return to_origin(skb, cfg, segment.ip, TCP_CHECK_AT, &flow, origin_of(cfg, &flow, segment.tcp));
	}
	if (!read_datagram(skb, &datagram) || !is_for_virtual(cfg, datagram.ip, datagram.udp->dest))
		return TC_ACT_OK;
	if (is_expired(datagram.ip))
		return TC_ACT_SHOT;
	flow.client = *source_of(datagram.ip);
	flow.client_port = datagram.udp->source;
	flow.protocol = IPPROTO_UDP;
	return to_origin(skb, cfg, datagram.ip, UDP_CHECK_AT, &flow, origin_of_datagram(cfg, &flow));
}

int from_origin(struct __sk_buff *skb)
{
	struct config *cfg = configuration();
	struct segment segment;
	struct datagram datagram;

	if (!cfg)
		return TC_ACT_OK;
	if (read_segment(skb, &segment)) {
		if (!is_from_origin(cfg, segment.ip, segment.tcp->source))
			return TC_ACT_OK;
		if (is_expired(segment.ip))
			return TC_ACT_SHOT;
		return to_client(skb, cfg, segment.ip, TCP_CHECK_AT, payload_bytes(skb, &segment));
	}
	if (!read_datagram(skb, &datagram) || !is_from_origin(cfg, datagram.ip, datagram.udp->source))
		return TC_ACT_OK;
	if (is_expired(datagram.ip))
		return TC_ACT_SHOT;
	return to_client(skb, cfg, datagram.ip, UDP_CHECK_AT, datagram_bytes(skb));
}
