// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Assign only the SYN to the proxy's listener at tc ingress, and mark all other segments: early demultiplexing finds
 * their sockets.
 *
 * A marked segment is delivered locally even without a socket, so none of it is ever forwarded. The kernel answers one
 * without a socket with a reset.
 */
#include "steer.h"

enum count { STEERED, REFUSED, COUNTS };

#include "counter.h"

int from_client(struct __sk_buff *skb)
{
	struct config *cfg = configuration();
	struct segment segment;
	struct bpf_sock *sk;

	/* Any other packet takes the closed routed path: ARP passes, the rest is dropped and counted there. */
	if (!cfg || !read_segment(skb, &segment) || !is_for_origin(cfg, segment.ip, segment.tcp->dest))
		return TC_ACT_OK;

	if (is_syn(segment.tcp)) {
		/* Without a proxy the path is closed: the SYN must not reach the origin. */
		sk = find_for_client(skb, cfg, source_of(segment.ip), segment.tcp->source);
		if (!sk || !assign(skb, sk, cfg->mark)) {
			count(REFUSED, 1);
			return TC_ACT_SHOT;
		}
	} else {
		skb->mark = cfg->mark;
	}
	count(STEERED, 1);
	return TC_ACT_OK;
}

int from_origin(struct __sk_buff *skb)
{
	struct config *cfg = configuration();
	struct segment segment;

	if (cfg && read_segment(skb, &segment) && is_from_origin(cfg, segment.ip, segment.tcp->source))
		skb->mark = cfg->mark;
	return TC_ACT_OK;
}
