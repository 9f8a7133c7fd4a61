// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* notify: from tcp_probe of a segment with payload to the first sk_data_ready of its socket, by the sock's address. */
#include "sockets.h"

#define FLAG_FIN 1 /* TCPHDR_FIN, include/net/tcp.h */

/* The kernel holds the socket's lock from tcp_probe to sk_data_ready, so at most one segment is between them. */
struct arrival {
	u64 sk;
	struct start start;
	u64 side;
};
BPF_ARRAY(arrivals, struct arrival, SOCKET_SLOTS);

static __always_inline struct arrival *arrival_slot(u64 sk)
{
	int slot = SOCKET_SLOT(sk);

	return arrivals.lookup(&slot);
}

/* Whether a segment that TCP has parsed carries more than an acknowledgement or a FIN, which takes a sequence number.
 */
static __always_inline int has_new_payload(__u64 skb)
{
	/* seq, end_seq and tcp_flags are close together in struct tcp_skb_cb: one read. */
	__u8 segment[TCP_SEGMENT_FLAGS - TCP_SEGMENT_SEQ + 1];
	__u32 first, behind;

	if (bpf_probe_read_kernel(segment, sizeof(segment), (void *)skb + TCP_SEGMENT_SEQ))
		return 0;
	first = *(__u32 *)segment;
	behind = *(__u32 *)&segment[TCP_SEGMENT_END_SEQ - TCP_SEGMENT_SEQ];
	return behind - first > (segment[TCP_SEGMENT_FLAGS - TCP_SEGMENT_SEQ] & FLAG_FIN);
}

RAW_TRACEPOINT_PROBE(tcp_probe)
{
	u64 sk = ctx->args[0], skb = ctx->args[1];
	struct watch *cfg = watched();
	struct arrival *arrival;
	struct stage *stat;
	int side;

	if (!cfg || !is_sampled(cfg, sk))
		return 0;
	arrival = arrival_slot(sk);
	if (!arrival)
		return 0;
	/* An arrival of the same socket is no start: its segment was out of order, a duplicate, or found no room, and
	 * the kernel never calls sk_data_ready for it. An arrival of another socket with the same slot is lost.
	 */
	if (arrival->sk && arrival->sk != sk && arrival->start.generation == cfg->generation) {
		stat = stage_of(arrival->side);
		if (stat)
			stat->started++;
	}
	arrival->sk = 0;
	if (!cfg->open || !has_new_payload(skb))
		return 0;
	side = side_of(cfg, (void *)sk);
	if (side < 0)
		return 0;
	arrival->start.generation = cfg->generation;
	arrival->start.time_ns = bpf_ktime_get_ns();
	arrival->side = side;
	arrival->sk = sk;
	return 0;
}

RAW_TRACEPOINT_PROBE(sk_data_ready)
{
	u64 sk = ctx->args[0];
	struct watch *cfg = watched();
	struct arrival *arrival;
	struct stage *stat;

	if (!cfg || !is_sampled(cfg, sk))
		return 0;
	arrival = arrival_slot(sk);
	if (!arrival || arrival->sk != sk)
		return 0;
	arrival->sk = 0;
	if (arrival->start.generation != cfg->generation)
		return 0;
	stat = stage_of(arrival->side);
	if (!stat)
		return 0;
	stat->started++;
	end(stat, cfg, &arrival->start, bpf_ktime_get_ns(), arrival->side);
	return 0;
}
