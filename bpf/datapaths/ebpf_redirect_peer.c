// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Move packets to the peer of the next link's veth at tc ingress: no qdisc, no driver and no softirq between. */
#include "forward.h"

static __always_inline int forward(ip_header *ip, const struct neighbour *to)
{
	if (!has_time_left(ip)) {
		count(DROPPED, 1);
		return TC_ACT_SHOT;
	}
	decrease_hop_limit(ip);
	/* The peer takes the packet as its own. The Ethernet addresses are for whatever reads the packet there. */
	readdress(ip, to);
	return bpf_redirect_peer(to->ifindex, 0);
}

#include "forward_tc.h"
