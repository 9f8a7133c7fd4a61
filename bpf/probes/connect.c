// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* connect: from inet_sock_set_state to SYN_SENT until the same socket is ESTABLISHED, by sock address. */
/* A SYN that is lost is sent again after a second, which belongs to the connect; and every start has its end,
 * for a socket leaves SYN_SENT before its address is free.
 */
#define MAX_AGE_NS (~0ULL)
#include "sockets.h"

BPF_ARRAY(watch, struct watch, 1);
BPF_PERCPU_ARRAY(stage, struct stage, ROLES);
BPF_RINGBUF_OUTPUT(samples, SAMPLE_PAGES);

struct connecting {
	struct start start;
	u64 side;
};
/* Connects are rare enough for a hash map. What ended while nothing was watched is pushed out of it. */
BPF_TABLE("lru_hash", u64, struct connecting, sockets, 65536);

RAW_TRACEPOINT_PROBE(inet_sock_set_state)
{
	u64 sock = ctx->args[0];
	int before = ctx->args[1], after = ctx->args[2], zero = 0, side;
	struct watch *watching;
	struct stage *measured;
	struct connecting *known, connecting = {};
	struct sample sample = {};
	u64 now;

	if (before != STATE_SYN_SENT && after != STATE_SYN_SENT)
		return 0;
	watching = watch.lookup(&zero);
	if (!watching || !watching->generation)
		return 0;

	if (after == STATE_SYN_SENT) {
		if (!watching->open)
			return 0;
		side = side_of(watching, (void *)sock);
		if (side < 0 || side >= ROLES /* servers do not connect */)
			return 0;
		measured = stage.lookup(&side);
		if (!measured || !begin(measured, watching, &connecting.start))
			return 0;
		connecting.side = side;
		if (sockets.update(&sock, &connecting))
			measured->lost++;
		return 0;
	}

	known = sockets.lookup(&sock);
	if (!known)
		return 0;
	connecting = *known;
	sockets.delete(&sock);
	/* Refused, timed out, or closed meanwhile: it never was a connection. */
	if (after != STATE_ESTABLISHED)
		return 0;
	side = connecting.side;
	measured = stage.lookup(&side);
	if (!measured)
		return 0;
	now = bpf_ktime_get_ns();
	if (record(measured, watching, &connecting.start, now)) {
		sample.time_ns = now;
		sample.value_ns = now - connecting.start.time_ns;
		sample.role = side;
		if (samples.ringbuf_output(&sample, sizeof(sample), SAMPLE_FLAGS))
			measured->unsampled++;
	}
	return 0;
}
