// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* socket_wait: from sk_data_ready to the sock_recv_length > 0 that begins to read that data, by sock address. */
#include "sockets.h"

BPF_ARRAY(watch, struct watch, 1);
BPF_PERCPU_ARRAY(stage, struct stage, ROLES);
BPF_RINGBUF_OUTPUT(samples, SAMPLE_PAGES);

#define PROTOCOL_TCP 6

/* The oldest unread data of a socket, by its sequence numbers; and what was announced after it. Without a sock there is
 * none just now: an entry stays for the socket's next data, as to delete it and to make it anew costs some 300 ns.
 */
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

ALWAYS_INLINE int is_tcp(u64 sock)
{
	u16 protocol = 0;

	return !bpf_probe_read_kernel(&protocol, sizeof(protocol), (void *)sock + SOCK_PROTOCOL) &&
	       protocol == PROTOCOL_TCP;
}

/* The begin of a socket, up to its namespace: each read on its own costs as much as all at once. Addresses are used
 * again, by connections of other ports.
 */
struct common {
	u8 bytes[SOCK_NET + 8];
};
#define STATE_OF(common) ((common)->bytes[SOCK_STATE])
#define PORTS_OF(common) (*(u32 *)&(common)->bytes[SOCK_PORTS])
#define NET_OF(common) (*(void **)&(common)->bytes[SOCK_NET])

/* What is unread of a connection just now; false where nothing is. A FIN takes a sequence number too, but is no data.
 */
ALWAYS_INLINE int read_sequence(u64 sock, u8 state, u32 *from, u32 *until)
{
	if (state == STATE_LISTEN || bpf_probe_read_kernel(from, sizeof(*from), (void *)sock + TCP_SOCK_COPIED_SEQ) ||
	    bpf_probe_read_kernel(until, sizeof(*until), (void *)sock + TCP_SOCK_RCV_NXT))
		return 0;
	if (state != STATE_ESTABLISHED && state != STATE_FIN_WAIT1 && state != STATE_FIN_WAIT2)
		--*until;
	return is_after(*until, *from);
}

RAW_TRACEPOINT_PROBE(sk_data_ready)
{
	u64 sock = ctx->args[0];
	struct watch *watching;
	struct stage *measured;
	struct unread *unread, fresh = {};
	struct common common;
	int zero = 0, side;
	u32 from = 0, until = 0;

	watching = watch.lookup(&zero);
	if (!watching || !watching->generation || !is_drawn(watching, sock))
		return 0;
	unread = unreads.lookup(&sock);
	if (!unread && !watching->open)
		return 0;
	if (!is_tcp(sock) || bpf_probe_read_kernel(&common, sizeof(common), (void *)sock) ||
	    !read_sequence(sock, STATE_OF(&common), &from, &until))
		return 0;
	/* While a read is on, it has taken the oldest already and is yet to be seen: that comes after this. */
	if (unread && unread->sock && unread->oldest.generation == watching->generation &&
	    !is_after(unread->until, until) && unread->ports == PORTS_OF(&common)) {
		if (watching->open && unread->later.time_ns == 0 && is_after(until, unread->until)) {
			unread->later_from = is_after(from, unread->until) ? from : unread->until;
			unread->later.generation = watching->generation;
			unread->later.time_ns = bpf_ktime_get_ns();
		}
		return 0;
	}

	/* Whose address this was died without reading: the next one, of any lab or none, must not read for it. */
	if (unread)
		unread->sock = 0;
	if (!watching->open)
		return 0;
	side = NET_OF(&common) ? side_of_net(watching, NET_OF(&common)) : -1;
	if (side < 0)
		return 0;
	measured = stage.lookup(&side);
	if (!measured)
		return 0;
	if (!unread) {
		unreads.update(&sock, &fresh);
		unread = unreads.lookup(&sock);
	}
	if (!unread || !begin(measured, watching, &unread->oldest))
		return 0;
	unread->later.time_ns = 0;
	unread->side = side;
	unread->from = from;
	unread->until = until;
	unread->ports = PORTS_OF(&common);
	unread->sock = sock;
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
	u8 state = 0;
	u64 now;

	if (length <= 0)
		return 0;
	watching = watch.lookup(&zero);
	if (!watching || !watching->generation || !is_drawn(watching, sock))
		return 0;
	unread = unreads.lookup(&sock);
	if (!unread || !unread->sock)
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
	if (!unread->later.time_ns || is_after(read, unread->later_from) ||
	    bpf_probe_read_kernel(&state, sizeof(state), (void *)sock + SOCK_STATE) ||
	    !read_sequence(sock, state, &from, &until)) {
		unread->sock = 0;
		return 0;
	}
	measured->started++;
	unread->oldest = unread->later;
	unread->later.time_ns = 0;
	unread->from = unread->later_from;
	unread->until = until;
	return 0;
}
