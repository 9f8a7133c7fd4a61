// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* connect: from inet_sock_set_state to SYN_SENT until the same socket is ESTABLISHED, by the address of the sock. */

/* No limit. A lost SYN is sent again after a second, and that second is part of the connect. And no start is left
 * behind: a socket leaves SYN_SENT before its address is freed.
 */
#define MAX_AGE_NS (~0ULL)
#include "sockets.h"

struct connecting {
	struct start start;
	u64 side;
};
/* Connects are rare enough for a hash map. LRU, because a socket that leaves SYN_SENT while nothing is watched stays.
 */
BPF_TABLE("lru_hash", u64, struct connecting, sockets, 65536);

static __always_inline void begin_connect(const struct watch *cfg, u64 sk)
{
	struct connecting connecting = {};
	struct stage *stat;
	int side;

	if (!cfg->open)
		return;
	side = side_of(cfg, (void *)sk);
	if (side < 0 || side >= ROLES /* servers do not connect */)
		return;
	stat = stage_of(side);
	if (!stat || !begin(stat, cfg, &connecting.start))
		return;
	connecting.side = side;
	if (sockets.update(&sk, &connecting))
		stat->lost++;
}

RAW_TRACEPOINT_PROBE(inet_sock_set_state)
{
	u64 sk = ctx->args[0];
	int before = ctx->args[1], after = ctx->args[2];
	struct connecting *known, connecting;
	struct watch *cfg;
	struct stage *stat;

	if (before != STATE_SYN_SENT && after != STATE_SYN_SENT)
		return 0;
	cfg = watched();
	if (!cfg)
		return 0;
	if (after == STATE_SYN_SENT) {
		begin_connect(cfg, sk);
		return 0;
	}

	known = sockets.lookup(&sk);
	if (!known)
		return 0;
	connecting = *known;
	sockets.delete(&sk);
	/* Refused, timed out, or closed meanwhile: it never was a connection. */
	if (after != STATE_ESTABLISHED)
		return 0;
	stat = stage_of(connecting.side);
	if (stat)
		end(stat, cfg, &connecting.start, bpf_ktime_get_ns(), connecting.side);
	return 0;
}
