// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* notify: from tcp_probe of a segment with payload to the first sk_data_ready of its socket, by sock address. */
#include "sockets.h"

BPF_ARRAY(watch, struct watch, 1);
BPF_PERCPU_ARRAY(stage, struct stage, ROLES);
BPF_RINGBUF_OUTPUT(samples, SAMPLE_PAGES);

#define FLAG_FIN 1

/* A socket is locked from tcp_probe to sk_data_ready, so it has one segment between them at a time. */
struct arrival {
	u64 sock;
	struct start start;
	u64 side;
};
BPF_ARRAY(arrivals, struct arrival, SOCKET_SLOTS);

/* Whether a segment that TCP has parsed carries more than an acknowledgement or an end. */
ALWAYS_INLINE int has_new_payload(__u64 skb)
{
	/* All three lie close together: one read. */
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
	u64 sock = ctx->args[0], skb = ctx->args[1];
	struct watch *watching;
	struct stage *measured;
	struct arrival *arrival;
	int slot = SOCKET_SLOT(sock), zero = 0, side;

	watching = watch.lookup(&zero);
	if (!watching || !watching->generation || !is_drawn(watching, sock))
		return 0;
	arrival = arrivals.lookup(&slot);
	if (!arrival)
		return 0;
	/* Of this socket's: it came out of order, twice, or where there was no room; it has told nobody and never
	 * will, so it was no start. Of another socket's that has the same slot: it is pushed out, and lost.
	 */
	if (arrival->sock && arrival->sock != sock && arrival->start.generation == watching->generation) {
		side = arrival->side;
		measured = stage.lookup(&side);
		if (measured)
			measured->started++;
	}
	arrival->sock = 0;
	if (!watching->open || !has_new_payload(skb))
		return 0;
	side = side_of(watching, (void *)sock);
	if (side < 0)
		return 0;
	arrival->start.generation = watching->generation;
	arrival->start.time_ns = bpf_ktime_get_ns();
	arrival->side = side;
	arrival->sock = sock;
	return 0;
}

RAW_TRACEPOINT_PROBE(sk_data_ready)
{
	u64 sock = ctx->args[0];
	struct watch *watching;
	struct stage *measured;
	struct arrival *arrival;
	struct sample sample = {};
	int slot = SOCKET_SLOT(sock), zero = 0, side;
	u64 now;

	watching = watch.lookup(&zero);
	if (!watching || !watching->generation || !is_drawn(watching, sock))
		return 0;
	arrival = arrivals.lookup(&slot);
	if (!arrival || arrival->sock != sock)
		return 0;
	arrival->sock = 0;
	if (arrival->start.generation != watching->generation)
		return 0;
	side = arrival->side;
	measured = stage.lookup(&side);
	if (!measured)
		return 0;

	now = bpf_ktime_get_ns();
	measured->started++;
	if (record(measured, watching, &arrival->start, now)) {
		sample.time_ns = now;
		sample.value_ns = now - arrival->start.time_ns;
		sample.role = side;
		if (samples.ringbuf_output(&sample, sizeof(sample), SAMPLE_FLAGS))
			measured->unsampled++;
	}
	return 0;
}
