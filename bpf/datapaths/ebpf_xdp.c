// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Forward between the DUT's devices with XDP, before the kernel makes an skb of the frame. */

#include "forward.h"
#include "frame.h"

BPF_ARRAY(config, struct config, 1);
BPF_PERCPU_ARRAY(counts, __u64, COUNTS);

/* Only this CPU writes its own entry, and XDP runs with bottom halves off: no atomics needed. */
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
		return XDP_DROP;
	}
	decrease_hop_limit(segment->ip);
	readdress(segment, link);
	return bpf_redirect(link->ifindex, 0);
}

int from_client(struct xdp_md *frame)
{
	__u32 zero = 0;
	struct config *c = config.lookup(&zero);
	struct segment segment;
	int action;

	/* What is not for the origin goes the routed path, which is closed: ARP passes, the rest is
	 * dropped and counted there.
	 */
	if (!c || !read_frame(frame, &segment) || !is_from_client(c, &segment))
		return XDP_PASS;

	if (segment.tcp->syn && !segment.tcp->ack)
		count(CONNECTIONS, 1);
	action = forward(&segment, &c->to_origin);
	if (action != XDP_DROP)
		count(PACKETS, 1);
	return action;
}

int from_origin(struct xdp_md *frame)
{
	__u32 zero = 0;
	struct config *c = config.lookup(&zero);
	struct segment segment;

	if (!c || !read_frame(frame, &segment) || !is_from_origin(c, &segment))
		return XDP_PASS;

	count(BYTES, frame_payload_bytes(&segment));
	return forward(&segment, &c->to_client);
}
