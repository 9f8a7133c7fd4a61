/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* bpf_redirect_neigh() with a next hop: the kernel's neighbour table fills in the Ethernet header. */
#ifndef SHOWDOWN_NEIGH_H
#define SHOWDOWN_NEIGH_H

#include "packet.h"

/* BCC 0.26 declares this helper as Linux 5.9 had it; since 5.10 it takes the next hop, too. */
static long (*bpf_redirect_to_hop)(__u32 ifindex, struct bpf_redir_neigh *next_hop, int next_hop_bytes,
				   __u64 flags) = (void *)BPF_FUNC_redirect_neigh;

static __always_inline int redirect_to_hop(__u32 ifindex, const struct address *address)
{
	struct bpf_redir_neigh next_hop = {.nh_family = FAMILY};

	/* A union: ipv4_nh is at the start of ipv6_nh. */
	__builtin_memcpy(next_hop.ipv6_nh, address, sizeof(*address));
	return bpf_redirect_to_hop(ifindex, &next_hop, sizeof(next_hop), 0);
}

#endif
