// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Forward between the DUT's devices at tc ingress, past netfilter and routing. */

#include "forward.h"

/* BCC 0.26 declares this helper with its arguments of Linux 5.9; they are four since 5.10. */
static long (*redirect_neigh)(__u32 ifindex, struct bpf_redir_neigh *next_hop, int next_hop_bytes,
			      __u64 flags) = (void *)BPF_FUNC_redirect_neigh;

BPF_ARRAY(config, struct config, 1);
BPF_PERCPU_ARRAY(counts, __u64, COUNTS);

/* Only this CPU writes its own entry, and tc runs with bottom halves off: no atomics needed. */
static inline __attribute__((always_inline)) void count(__u32 what, __u64 amount)
{
	__u64 *value = counts.lookup(&what);

	if (value)
		*value += amount;
}

static inline __attribute__((always_inline)) int forward(struct segment *segment, const struct link *link)
{
	struct bpf_redir_neigh neighbour = {.nh_family = FAMILY};

	/* A union: ipv6_nh begins where ipv4_nh is. */
	__builtin_memcpy(neighbour.ipv6_nh, &link->hop, sizeof(link->hop));
	if (!has_time_left(segment)) {
		count(DROPPED, 1);
		return TC_ACT_SHOT;
	}
	decrease_hop_limit(segment->ip);
	return redirect_neigh(link->ifindex, &neighbour, sizeof(neighbour), 0);
}

int from_client(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct config *c = config.lookup(&zero);
	struct segment segment;
	int action;

	/* What is not for the origin goes the routed path, which is closed: ARP passes, the rest is
	 * dropped and counted there.
	 */
	if (!c || !read_segment(skb, &segment) || !is_from_client(c, &segment))
		return TC_ACT_OK;

	if (segment.tcp->syn && !segment.tcp->ack)
		count(CONNECTIONS, 1);
	action = forward(&segment, &c->to_origin);
	if (action != TC_ACT_SHOT)
		count(PACKETS, 1);
	return action;
}

int from_origin(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct config *c = config.lookup(&zero);
	struct segment segment;

	if (!c || !read_segment(skb, &segment) || !is_from_origin(c, &segment))
		return TC_ACT_OK;

	count(BYTES, payload_bytes(skb, &segment));
	return forward(&segment, &c->to_client);
}
