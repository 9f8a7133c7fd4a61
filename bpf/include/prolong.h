/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The client's packets have one hop to live (workers/lab/dut.py, one_hop): the kernel forwards only those that a
 * program has prolonged. So a packet that misses the program is dropped, and counted there.
 */
#ifndef SHOWDOWN_PROLONG_H
#define SHOWDOWN_PROLONG_H

#include "ip.h"

#include <uapi/linux/bpf.h>
#include <uapi/linux/pkt_cls.h>

struct config {
	__u32 hop_limit; /* what a packet gets that passes; 0 before the program is configured */
};
BPF_ARRAY(config, struct config, 1);

#define IP_BYTES (sizeof(struct ethhdr) + sizeof(ip_header))

static __always_inline __u32 hop_limit(void)
{
	int zero = 0;
	struct config *cfg = config.lookup(&zero);

	return cfg ? cfg->hop_limit : 0;
}

/* Set the time to live or hop limit. For IPv4 it updates the checksum (RFC 1624): the word of TTL and protocol changes
 * in its upper byte only.
 */
static __always_inline void set_hop_limit(ip_header *ip, __u8 hops)
{
#if IP_VERSION == 4
	__u32 check = (__u16)~ip->check;

	check += (__u16)~bpf_htons((__u16)ip->ttl << 8);
	check += bpf_htons((__u16)hops << 8);
	check = (check & 0xffff) + (check >> 16);
	check = (check & 0xffff) + (check >> 16);
	ip->check = (__sum16)~check;
#endif
	ip->HOP_LIMIT = hops;
}

#endif
