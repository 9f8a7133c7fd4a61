// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Forward between the DUT's devices at tc ingress, bypassing netfilter and routing. */
#include "forward.h"
#include "neigh.h"

static __always_inline int forward(ip_header *ip, const struct neighbour *to)
{
	if (!has_time_left(ip)) {
		count(DROPPED, 1);
		return TC_ACT_SHOT;
	}
	decrease_hop_limit(ip);
	return redirect_to_hop(to->ifindex, &to->address);
}

#include "forward_tc.h"
