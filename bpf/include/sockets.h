/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP sockets, tracked by their address. */
#ifndef SHOWDOWN_SOCKETS_H
#define SHOWDOWN_SOCKETS_H

#include "hash.h"
#include "stage.h"

/* enum in include/net/tcp_states.h */
#define STATE_ESTABLISHED 1
#define STATE_SYN_SENT 2
#define STATE_FIN_WAIT1 4
#define STATE_FIN_WAIT2 5
#define STATE_LISTEN 10

/* A socket's state is kept in an array at a slot of its address, as packets are. A lab has a few thousand sockets at
 * once; those that are sampled share the slots.
 */
#define SOCKET_SLOT_BITS 15
#define SOCKET_SLOTS (1 << SOCKET_SLOT_BITS)
#define SOCKET_SLOT(sk) HASH_SLOT(sk, SOCKET_SLOT_BITS)

/* Whether to sample this socket: one in TRACK_EVERY, others in each window. All events of a sampled socket are seen. */
static __always_inline int is_sampled(const struct watch *cfg, __u64 sk)
{
	if (TRACK_EVERY == 1)
		return 1;
	return ((HASH(sk ^ HASH(cfg->generation)) >> 40) & (TRACK_EVERY - 1)) == 0;
}

#endif
