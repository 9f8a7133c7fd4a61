// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Police each client's rate at tc ingress: a packet that its bucket has no tokens for is dropped. */
#include "shape.h"

static __always_inline int admit(struct __sk_buff *skb, const struct shape *asked, const struct address *client)
{
	__u64 now = bpf_ktime_get_ns(), cost = cost_ns(asked, skb->len), *at = link_of(asked, client, now);

	if (!at || *at + cost > now)
		return 0;
	lock_xadd(at, cost);
	return 1;
}

#include "shape_tc.h"
