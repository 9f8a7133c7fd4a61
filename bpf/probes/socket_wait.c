// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* socket_wait: from sk_data_ready to the sock_recv_length > 0 that begins to read that data, by sock address. */
#include "sockets.h"

BPF_ARRAY(watch, struct watch, 1);
BPF_PERCPU_ARRAY(stage, struct stage, ROLES);
BPF_RINGBUF_OUTPUT(samples, SAMPLE_PAGES);

#define PROTOCOL_TCP 6

/* The oldest unread data of a socket, by its sequence numbers; and what was announced after it. */
struct unread {
	u64 sock;
	u64 side;
	struct start oldest;
	struct start later;
	u32 from;
	u32 until;
	u32 later_from;
	u32 ports;
};
/* Every socket of a lab may have unread data at once, so they must not share slots. Of sockets that died unread, the
 * oldest are pushed out.
 */
BPF_TABLE("lru_hash", u64, struct unread, unreads, 65536);

/* Sequence numbers wrap. */
ALWAYS_INLINE int is_after(u32 one, u32 other)
{
	return (s32)(one - other) > 0;
}

/* What is unread of a connection just now; false for other sockets, and where nothing is unread. A FIN takes a
 * sequence number too, but is no data.
 */
ALWAYS_INLINE int read_sequence(u64 sock, u32 *from, u32 *until)
{
	u16 protocol = 0;
	u8 state = 0;

	if (bpf_probe_read_kernel(&protocol, sizeof(protocol), (void *)sock + SOCK_PROTOCOL) ||
	    protocol != PROTOCOL_TCP || bpf_probe_read_kernel(&state, sizeof(state), (void *)sock + SOCK_STATE) ||
	    state == STATE_LISTEN || bpf_probe_read_kernel(from, sizeof(*from), (void *)sock + TCP_SOCK_COPIED_SEQ) ||
	    bpf_probe_read_kernel(until, sizeof(*until), (void *)sock + TCP_SOCK_RCV_NXT))
		return 0;
	if (state != STATE_ESTABLISHED && state != STATE_FIN_WAIT1 && state != STATE_FIN_WAIT2)
		--*until;
	return is_after(*until, *from);
}

/* Addresses are used again, by connections of other ports. */
ALWAYS_INLINE u32 ports_of(u64 sock)
{
	u32 ports = 0;

	bpf_probe_read_kernel(&ports, sizeof(ports), (void *)sock + SOCK_PORTS);
	return ports;
}

RAW_TRACEPOINT_PROBE(sk_data_ready)
{
	u64 sock = ctx->args[0];
	struct watch *watching;
	struct stage *measured;
	struct unread *unread, fresh = {};
	int zero = 0, side;
	u32 from = 0, until = 0;

	watching = watch.lookup(&zero);
	if (!watching || !watching->generation || !is_drawn(watching, sock))
		return 0;
	if (!read_sequence(sock, &from, &until))
		return 0;
	unread = unreads.lookup(&sock);
	/* While a read is on, it has taken the oldest already and is yet to be seen: that comes after this. */
	if (unread && unread->oldest.generation == watching->generation && !is_after(unread->until, until) &&
	    unread->ports == ports_of(sock)) {
		if (watching->open && unread->later.time_ns == 0 && is_after(until, unread->until)) {
			unread->later_from = is_after(from, unread->until) ? from : unread->until;
			unread->later.generation = watching->generation;
			unread->later.time_ns = bpf_ktime_get_ns();
		}
		return 0;
	}

	/* Whose address this was died without reading: the next one, of any lab or none, must not read for it. */
	if (unread)
		unreads.delete(&sock);
	if (!watching->open)
		return 0;
	side = side_of(watching, (void *)sock);
	if (side < 0)
		return 0;
	measured = stage.lookup(&side);
	if (!measured || !begin(measured, watching, &fresh.oldest))
		return 0;
	fresh.sock = sock;
	fresh.side = side;
	fresh.from = from;
	fresh.until = until;
	fresh.ports = ports_of(sock);
	unreads.update(&sock, &fresh);
	return 0;
}

RAW_TRACEPOINT_PROBE(sock_recv_length)
{
	u64 sock = ctx->args[0];
	int length = ctx->args[1];
	struct watch *watching;
	struct stage *measured;
	struct unread *unread;
	struct sample sample = {};
	int zero = 0, side;
	u32 read = 0, from = 0, until = 0;
	u64 now;

	if (length <= 0)
		return 0;
	watching = watch.lookup(&zero);
	if (!watching || !watching->generation || !is_drawn(watching, sock))
		return 0;
	unread = unreads.lookup(&sock);
	if (!unread)
		return 0;
	now = bpf_ktime_get_ns();
	/* It only looked (MSG_PEEK); or it read what had come before, and this was announced meanwhile. */
	if (bpf_probe_read_kernel(&read, sizeof(read), (void *)sock + TCP_SOCK_COPIED_SEQ) ||
	    !is_after(read, unread->from))
		return 0;
	side = unread->side;
	measured = stage.lookup(&side);
	if (!measured)
		return 0;

	if (record(measured, watching, &unread->oldest, now)) {
		sample.time_ns = now;
		sample.value_ns = now - unread->oldest.time_ns;
		sample.role = side;
		if (samples.ringbuf_output(&sample, sizeof(sample), SAMPLE_FLAGS))
			measured->unsampled++;
	}

	/* All that was announced is read, or being read. */
	if (!unread->later.time_ns || is_after(read, unread->later_from) || !read_sequence(sock, &from, &until)) {
		unreads.delete(&sock);
		return 0;
	}
	measured->started++;
	unread->oldest = unread->later;
	unread->later.time_ns = 0;
	unread->from = unread->later_from;
	unread->until = until;
	return 0;
}
