// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Forward between the DUT's devices at tc ingress, past netfilter and routing. */

#include "packet.h"

struct config {
	/* The client, or the network of several, and the next hop on the way back to it. */
	__be32 client;
	__be32 client_mask;
	__be32 client_hop;
	__be32 origin;
	__u32 client_ifindex;
	__u32 server_ifindex;
	__be16 port;
	__u16 padding;
};

/* BCC 0.26 declares this helper with its arguments of Linux 5.9; they are four since 5.10. */
static long (*redirect_neigh)(__u32 ifindex, struct bpf_redir_neigh *next_hop, int next_hop_bytes,
			      __u64 flags) = (void *)BPF_FUNC_redirect_neigh;

enum count { PACKETS, BYTES, CONNECTIONS, DROPPED, COUNTS };

BPF_ARRAY(config, struct config, 1);
BPF_PERCPU_ARRAY(counts, __u64, COUNTS);

/* Only this CPU writes its own entry, and tc runs with bottom halves off: no atomics needed. */
static inline __attribute__((always_inline)) void count(__u32 what, __u64 amount)
{
	__u64 *value = counts.lookup(&what);

	if (value)
		*value += amount;
}

static inline __attribute__((always_inline)) int forward(struct segment *segment, __u32 ifindex, __be32 next_hop)
{
	struct bpf_redir_neigh neighbour = {.nh_family = 2 /* AF_INET */, .ipv4_nh = next_hop};
	struct iphdr *ip = segment->ip;
	__u32 check;

	/* A router forwards nothing whose time to live ends here; the stack would answer with
	 * ICMP, but in a lab this can only be a loop.
	 */
	if (ip->ttl <= 1) {
		count(DROPPED, 1);
		return TC_ACT_SHOT;
	}

	/* As ip_decrease_ttl(): routed packets pay for this too. */
	check = ip->check;
	check += bpf_htons(0x0100);
	ip->check = (__sum16)(check + (check >= 0xffff));
	ip->ttl--;
	return redirect_neigh(ifindex, &neighbour, sizeof(neighbour), 0);
}

int from_client(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct config *c = config.lookup(&zero);
	struct segment segment;

	/* What is not for the origin goes the routed path, which is closed: ARP passes, the rest is
	 * dropped and counted there.
	 */
	if (!c || !read_segment(skb, &segment) || segment.ip->daddr != c->origin || segment.tcp->dest != c->port)
		return TC_ACT_OK;

	count(PACKETS, 1);
	if (segment.tcp->syn && !segment.tcp->ack)
		count(CONNECTIONS, 1);
	return forward(&segment, c->server_ifindex, c->origin);
}

int from_origin(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct config *c = config.lookup(&zero);
	struct segment segment;

	if (!c || !read_segment(skb, &segment) || segment.ip->saddr != c->origin ||
	    (segment.ip->daddr & c->client_mask) != c->client || segment.tcp->source != c->port)
		return TC_ACT_OK;

	count(BYTES, payload_bytes(skb, &segment));
	return forward(&segment, c->client_ifindex, c->client_hop);
}
