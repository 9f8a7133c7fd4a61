// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* socket_wait: from sk_data_ready to the sock_recv_length > 0 that begins to read that data, by the sock's address. */
#include "sockets.h"

#define PROTOCOL_TCP 6

/* The oldest unread data of a socket, by its sequence numbers (from, until), and the next that was announced (later).
 * sk is 0 while there is no unread data. The entry stays for the socket's next data, because to delete and re-create
 * it costs some 300 ns.
 */
struct unread {
	u64 sk;
	u64 side;
	struct start oldest;
	struct start later;
	u32 from;
	u32 until;
	u32 later_from;
	u32 ports;
};
/* All sockets of a lab can have unread data at once, so they must not share slots. LRU, because some die unread. */
BPF_TABLE("lru_hash", u64, struct unread, unreads, 65536);

/* Sequence numbers wrap (RFC 9293, 3.4). */
static __always_inline int is_after(u32 one, u32 other)
{
	return (s32)(one - other) > 0;
}

static __always_inline int is_tcp(u64 sk)
{
	u16 protocol = 0;

	return !bpf_probe_read_kernel(&protocol, sizeof(protocol), (void *)sk + SOCK_PROTOCOL) &&
	       protocol == PROTOCOL_TCP;
}

/* The start of the sock, up to its namespace: one read of it all costs as much as a read of each member. The ports
 * tell apart two connections of which the second reuses the first one's address.
 */
struct common {
	u8 bytes[SOCK_NET + 8];
};
#define STATE_OF(common) ((common)->bytes[SOCK_STATE])
#define PORTS_OF(common) (*(u32 *)&(common)->bytes[SOCK_PORTS])
#define NET_OF(common) (*(void **)&(common)->bytes[SOCK_NET])

struct span {
	u32 from;
	u32 until;
};

/* The unread data of a connection. Returns 0 when there is none. A FIN has a sequence number too, but is no data. */
static __always_inline int read_unread(u64 sk, u8 state, struct span *data)
{
	if (state == STATE_LISTEN ||
	    bpf_probe_read_kernel(&data->from, sizeof(data->from), (void *)sk + TCP_SOCK_COPIED_SEQ) ||
	    bpf_probe_read_kernel(&data->until, sizeof(data->until), (void *)sk + TCP_SOCK_RCV_NXT))
		return 0;
	if (state != STATE_ESTABLISHED && state != STATE_FIN_WAIT1 && state != STATE_FIN_WAIT2)
		data->until--;
	return is_after(data->until, data->from);
}

/* Older data of the same connection is unread. What is announced on top of it is `later`, once. */
static __always_inline void announce_later(const struct watch *cfg, struct unread *unread, const struct span *data)
{
	if (!cfg->open || unread->later.time_ns || !is_after(data->until, unread->until))
		return;
	unread->later_from = is_after(data->from, unread->until) ? data->from : unread->until;
	unread->later.generation = cfg->generation;
	unread->later.time_ns = bpf_ktime_get_ns();
}

/* The connection has unread data, and had none before. */
static __always_inline void announce(const struct watch *cfg, struct unread *unread, u64 sk,
				     const struct common *common, const struct span *data)
{
	struct unread fresh = {};
	struct stage *stat;
	int side;

	side = NET_OF(common) ? side_of_net(cfg, NET_OF(common)) : -1;
	if (side < 0)
		return;
	stat = stage_of(side);
	if (!stat)
		return;
	if (!unread) {
		unreads.update(&sk, &fresh);
		unread = unreads.lookup(&sk);
	}
	if (!unread || !begin(stat, cfg, &unread->oldest))
		return;
	unread->later.time_ns = 0;
	unread->side = side;
	unread->from = data->from;
	unread->until = data->until;
	unread->ports = PORTS_OF(common);
	unread->sk = sk;
}

RAW_TRACEPOINT_PROBE(sk_data_ready)
{
	u64 sk = ctx->args[0];
	struct watch *cfg = watched();
	struct unread *unread;
	struct common common;
	struct span data = {};

	if (!cfg || !is_sampled(cfg, sk))
		return 0;
	unread = unreads.lookup(&sk);
	if (!unread && !cfg->open)
		return 0;
	if (!is_tcp(sk) || bpf_probe_read_kernel(&common, sizeof(common), (void *)sk) ||
	    !read_unread(sk, STATE_OF(&common), &data))
		return 0;
	/* During a recv the kernel has consumed the oldest data already, while its sock_recv_length comes later. */
	if (unread && unread->sk && unread->oldest.generation == cfg->generation &&
	    !is_after(unread->until, data.until) && unread->ports == PORTS_OF(&common)) {
		announce_later(cfg, unread, &data);
		return 0;
	}
	/* The connection that had this address died without reading. Another one's recv must not end its wait. */
	if (unread)
		unread->sk = 0;
	if (cfg->open)
		announce(cfg, unread, sk, &common, &data);
	return 0;
}

/* A recv up to `read` ended the wait of the oldest data: what was announced later is the oldest now. */
static __always_inline void advance(u64 sk, struct unread *unread, struct stage *stat, u32 read)
{
	struct span data = {};
	u8 state = 0;

	/* All that was announced is read, or being read. */
	if (!unread->later.time_ns || is_after(read, unread->later_from) ||
	    bpf_probe_read_kernel(&state, sizeof(state), (void *)sk + SOCK_STATE) || !read_unread(sk, state, &data)) {
		unread->sk = 0;
		return;
	}
	stat->started++;
	unread->oldest = unread->later;
	unread->later.time_ns = 0;
	unread->from = unread->later_from;
	unread->until = data.until;
}

RAW_TRACEPOINT_PROBE(sock_recv_length)
{
	u64 sk = ctx->args[0], now;
	struct watch *cfg;
	struct stage *stat;
	struct unread *unread;
	u32 read = 0;

	if ((int)ctx->args[1] <= 0)
		return 0;
	cfg = watched();
	if (!cfg || !is_sampled(cfg, sk))
		return 0;
	unread = unreads.lookup(&sk);
	if (!unread || !unread->sk)
		return 0;
	now = bpf_ktime_get_ns();
	/* MSG_PEEK consumes nothing; and a recv of older data can end after newer data was announced. */
	if (bpf_probe_read_kernel(&read, sizeof(read), (void *)sk + TCP_SOCK_COPIED_SEQ) ||
	    !is_after(read, unread->from))
		return 0;
	stat = stage_of(unread->side);
	if (!stat)
		return 0;
	end(stat, cfg, &unread->oldest, now, unread->side);

	advance(sk, unread, stat, read);
	return 0;
}
