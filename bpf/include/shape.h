/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What programs share that hold each client address to a rate. The source that includes it defines admit() before
 * shape_tc.h.
 *
 * A client's state is one time, as in the generic cell rate algorithm of ATM: when its link will be free, if it had one
 * of the asked rate. A bucket of BURST bytes is full while that time is BURST ÷ rate ago. Two CPUs may handle packets
 * of one client at once. The cost of a packet is added atomically, so that no packet is free; only when an idle client
 * starts again, one packet may be.
 */
#ifndef SHOWDOWN_SHAPE_H
#define SHOWDOWN_SHAPE_H

/* Behind the counters of forward.h. */
#define COUNTERS (COUNTS + 5)
#include "forward.h"
#include "neigh.h"

enum { OFFERED = COUNTS, OFFERED_BYTES, DENIED, DENIED_BYTES, DELAYED };

struct shape {
	__u64 rate_bytes_per_s; /* of each client */
	__u64 burst_ns;		/* the time in which the rate makes up for a burst */
	__u64 horizon_ns;	/* packets are not delayed for longer */
};
BPF_ARRAY(shape, struct shape, 1);

/* By client address, made with its first packet. CLIENTS_KEPT is a -D constant. */
BPF_TABLE("lru_hash", struct address, __u64, free_at, CLIENTS_KEPT);

#define NS_PER_S 1000000000ULL

static __always_inline __u64 cost_ns(const struct shape *shape, __u64 bytes)
{
	return bytes * NS_PER_S / shape->rate_bytes_per_s;
}

/* When a client's link is free, but not longer ago than a full bucket; NULL without memory for it. */
static __always_inline __u64 *link_of(const struct shape *shape, const struct address *client, __u64 now)
{
	__u64 full = now - shape->burst_ns, *at = free_at.lookup_or_try_init((struct address *)client, &full);

	if (at && *at < full)
		*at = full;
	return at;
}

#endif
