/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TCP sockets, followed by their address. */
#ifndef SHOWDOWN_SOCKETS_H
#define SHOWDOWN_SOCKETS_H

#include "probe.h"

/* enum in include/net/tcp_states.h */
#define STATE_ESTABLISHED 1
#define STATE_SYN_SENT 2
#define STATE_FIN_WAIT1 4
#define STATE_FIN_WAIT2 5
#define STATE_LISTEN 10

/* What is known of a socket is kept in an array at a slot of its address, as packets are. A few thousand are
 * open in a lab at once, of which the drawn ones share the slots.
 */
#define SOCKET_SLOT_BITS 15
#define SOCKET_SLOTS (1 << SOCKET_SLOT_BITS)
/* 2^64 divided by the golden ratio (Knuth): the upper bits of the product depend on all of the address. */
#define SOCKET_HASH(value) ((value)*0x9E3779B97F4A7C15ULL)
#define SOCKET_SLOT(sock) (SOCKET_HASH(sock) >> (64 - SOCKET_SLOT_BITS))

/* One connection's end in TRACK_EVERY is drawn, others in each window: whatever happens to it is seen whole. */
ALWAYS_INLINE int is_drawn(const struct watch *watch, __u64 sock)
{
	if (TRACK_EVERY == 1)
		return 1;
	return ((SOCKET_HASH(sock ^ SOCKET_HASH(watch->generation)) >> 40) & (TRACK_EVERY - 1)) == 0;
}

#endif
