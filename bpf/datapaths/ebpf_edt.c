// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Shape each client's rate by earliest departure time: the program says when a packet may leave, and the qdisc fq of
 * the client's device holds it until then.
 */
#include "shape.h"

#define DELIVERY_MONO 1 /* BPF_SKB_TSTAMP_DELIVERY_MONO, Linux 5.18 */

static long (*set_tstamp)(struct __sk_buff *skb, __u64 tstamp, __u32 type) = (void *)192; /* bpf_skb_set_tstamp */

static __always_inline int admit(struct __sk_buff *skb, const struct shape *asked, const struct address *client)
{
	__u64 now = bpf_ktime_get_ns(), *at = link_of(asked, client, now), when;

	if (!at)
		return 0;
	when = *at;
	/* Later than fq would hold it: the client's queue is full. */
	if (when > now + asked->horizon_ns)
		return 0;
	lock_xadd(at, cost_ns(asked, skb->len));
	if (when <= now)
		return 1;
	count(DELAYED, 1);
	/* Without the helper of 5.18, the redirect to the other device would clear the time. */
	return !set_tstamp(skb, when, DELIVERY_MONO);
}

#include "shape_tc.h"
