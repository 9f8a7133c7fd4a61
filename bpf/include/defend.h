/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What XDP programs share that defend an origin against floods of SYNs, on the client's side of the DUT. Before this
 * file is included, `enum count` must be defined, with PASSED and SYNS.
 */
#ifndef SHOWDOWN_DEFEND_H
#define SHOWDOWN_DEFEND_H

#include "counter.h"
#include "frame.h"
#include "prolong.h"

/* Let the kernel forward the packet. */
static __always_inline int pass(ip_header *ip, __u32 hops)
{
	set_hop_limit(ip, hops);
	count(PASSED, 1);
	return XDP_PASS;
}

#endif
