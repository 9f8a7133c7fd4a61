// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Loss of packets at tc egress of a host: a share of them, chosen at random by a seed, never leaves. */
#include <uapi/linux/bpf.h>
#include <uapi/linux/pkt_cls.h>

enum count { SENT, LOST, COUNTS };

#include "counter.h"

struct config {
	__u64 seed;
	__u64 share; /* lost packets of 2^32 */
};

BPF_ARRAY(config, struct config, 1);

/* SplitMix64 (Steele, Lea, Flood 2014): the nth number of a seed, without a state. The kernel's own random numbers take
 * no seed, so that two labs would lose different packets.
 */
static __always_inline __u64 random_number(__u64 seed, __u64 number)
{
	__u64 mixed = seed + number * 0x9E3779B97F4A7C15ULL;

	mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9ULL;
	mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBULL;
	return mixed ^ (mixed >> 31);
}

int lose(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct config *cfg = config.lookup(&zero);
	__u64 number = number_of(SENT);

	if (!cfg || !number)
		return TC_ACT_SHOT;
	/* Each CPU has its own counters, and so its own numbers. */
	if ((random_number(cfg->seed, ((__u64)bpf_get_smp_processor_id() << 48) | number) >> 32) >= cfg->share)
		return TC_ACT_OK;
	count(LOST, 1);
	/* Not TC_ACT_SHOT: that reports the drop to the sending socket, and TCP would not wait for the packet's answer.
	 */
	return TC_ACT_STOLEN;
}
