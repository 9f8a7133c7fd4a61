// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Steer only the SYN to the proxy's listener at tc ingress; mark the rest, whose sockets early demultiplexing finds.
 *
 * A marked segment is delivered locally whether or not it has a socket, so nothing of it can be forwarded; one without
 * is answered with a reset.
 */

#include "steer.h"

enum count { STEERED, REFUSED, COUNTS };

BPF_ARRAY(config, struct config, 1);
BPF_PERCPU_ARRAY(counts, __u64, COUNTS);

/* Only this CPU writes its own entry, and tc runs with bottom halves off: no atomics needed. */
static inline __attribute__((always_inline)) void count(__u32 what)
{
	__u64 *value = counts.lookup(&what);

	if (value)
		*value += 1;
}

int from_client(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct config *c = config.lookup(&zero);
	struct segment segment;
	struct bpf_sock *sk;

	/* What is not for the origin goes the routed path, which is closed: ARP passes, the rest is
	 * dropped and counted there.
	 */
	if (!c || !read_segment(skb, &segment) || !is_same(destination_of(segment.ip), &c->origin) ||
	    segment.tcp->dest != c->port)
		return TC_ACT_OK;

	if (segment.tcp->syn && !segment.tcp->ack) {
		/* Without a proxy the path is closed, never bypassed. */
		sk = find_for_client(skb, c, source_of(segment.ip), segment.tcp->source);
		if (!sk || !assign(skb, sk, c->mark)) {
			count(REFUSED);
			return TC_ACT_SHOT;
		}
	} else {
		skb->mark = c->mark;
	}
	count(STEERED);
	return TC_ACT_OK;
}

int from_origin(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct config *c = config.lookup(&zero);
	struct segment segment;

	if (c && read_segment(skb, &segment) && is_same(source_of(segment.ip), &c->origin) &&
	    segment.tcp->source == c->port)
		skb->mark = c->mark;
	return TC_ACT_OK;
}
