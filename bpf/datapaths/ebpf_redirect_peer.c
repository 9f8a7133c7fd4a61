// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Hand packets to the other end of the next link at once, at tc ingress: no queue, no driver, no softirq between. */

#include "forward.h"

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
	if (!has_time_left(segment)) {
		count(DROPPED, 1);
		return TC_ACT_SHOT;
	}
	decrease_hop_limit(segment->ip);
	/* It is taken for the peer's already; the addresses are for whoever looks at the packet there. */
	readdress(segment, link);
	return bpf_redirect_peer(link->ifindex, 0);
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
