// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Balance connections over origins with XDP: Maglev hashing, a connection table, address translation both ways.
 *
 * As ebpf_lb, but before the kernel allocates an sk_buff. The program updates checksums itself, so they must be
 * complete.
 */
#include "frame.h"
#include "balance.h"
#include "translate.h"

static __always_inline int forward(struct segment *segment, const struct address *saddr, const struct address *daddr,
				   __u32 ifindex, const __u8 *macs)
{
	struct ip_rest rest = translated(segment->ip, saddr, daddr);

	segment->tcp->check = readdressed_check(segment->tcp->check, source_of(segment->ip), saddr);
	segment->tcp->check = readdressed_check(segment->tcp->check, destination_of(segment->ip), daddr);
	__builtin_memcpy((void *)segment->ip + IP_REST_AT, &rest, sizeof(rest));
	/* The Ethernet header is directly before the IP header, and starts with its addresses. */
	__builtin_memcpy((struct ethhdr *)segment->ip - 1, macs, 2 * ETH_ALEN);
	return bpf_redirect(ifindex, 0);
}

int from_client(struct xdp_md *ctx)
{
	struct config *cfg = configuration();
	struct segment segment;
	struct address origin;
	struct flow flow = {.protocol = IPPROTO_TCP};
	__u32 number;

	/* Any other packet takes the closed routed path: ARP passes, the rest is dropped and counted there. */
	if (!cfg || !read_frame(ctx, &segment) || !is_for_virtual(cfg, segment.ip, segment.tcp->dest))
		return XDP_PASS;

	/* A router drops a packet whose TTL would become 0. */
	if (segment.ip->HOP_LIMIT <= 1) {
		count(EXPIRED, 1);
		return XDP_DROP;
	}
	flow.client = *source_of(segment.ip);
	flow.client_port = segment.tcp->source;
	number = origin_of(cfg, &flow, segment.tcp);
	if (number == NO_ORIGIN) {
		count(REFUSED, 1);
		return XDP_DROP;
	}
	count(PACKETS, 1);
	origin = address_of(cfg, number);
	return forward(&segment, &flow.client, &origin, cfg->server_ifindex, cfg->server_macs);
}

int from_origin(struct xdp_md *ctx)
{
	struct config *cfg = configuration();
	struct segment segment;
	struct address client;

	if (!cfg || !read_frame(ctx, &segment) || !is_from_origin(cfg, segment.ip, segment.tcp->source))
		return XDP_PASS;
	if (segment.ip->HOP_LIMIT <= 1) {
		count(EXPIRED, 1);
		return XDP_DROP;
	}
	count(RETURNED, 1);
	count(BYTES, frame_payload_bytes(&segment));
	client = *destination_of(segment.ip);
	return forward(&segment, &cfg->virtual, &client, cfg->client_ifindex, cfg->client_macs);
}
