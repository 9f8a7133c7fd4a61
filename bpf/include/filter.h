/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What programs share that look up the source of a packet in a blocklist: a trie of prefixes. */
#ifndef SHOWDOWN_FILTER_H
#define SHOWDOWN_FILTER_H

#include "ip.h"

#include <uapi/linux/bpf.h>
#include <uapi/linux/pkt_cls.h>

/* A prefix as the kernel's trie wants it: the number of its bits, then the address in network order. */
struct prefix {
	__u32 bits;
	struct address address;
};

/* Nodes are allocated as they are added (BPF_F_NO_PREALLOC, which a trie requires), so the bound costs nothing. One
 * entry more than the longest list, for the one that is added and removed under load.
 */
BPF_F_TABLE("lpm_trie", struct prefix, __u8, blocklist, 1000001, BPF_F_NO_PREALLOC);

enum count { PASSED, BLOCKED, COUNTS };

#include "counter.h"

static __always_inline int is_blocked(const struct address *source)
{
	struct prefix key = {.bits = 8 * sizeof(struct address), .address = *source};

	return blocklist.lookup(&key) != NULL;
}

#endif
