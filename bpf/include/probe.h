/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every probe shares: what to watch, what was measured, and how a duration is recorded.
 *
 * BCC rewrites map accesses in the main source only, so functions here take pointers, never maps.
 * Kernel structures are read at the offsets that the running kernel's BTF tells (-D constants):
 * the headers that BCC compiles against may be another kernel's.
 */
#ifndef SHOWDOWN_PROBE_H
#define SHOWDOWN_PROBE_H

#include "histogram.h"

/* An older start belongs to an object whose address was used again: it is discarded and counted lost. */
#ifndef MAX_AGE_NS
#define MAX_AGE_NS 100000000ULL
#endif

/* A device by name: interface indexes repeat across namespaces, the names of a lab's devices do not.
 * The mask ends with the name's NUL, for the bytes behind it may be left over from a longer name.
 */
struct device {
	__u64 name[2];
	__u64 mask[2];
	__u64 ifindex;
};

/* What is being watched. The generation grows with every change, and 0 means nothing: a start and its
 * end belong together only within one generation.
 */
struct watch {
	__u64 generation;
	__u64 group;
	struct device device[2];
};

/* One CPU's measurements of one role since the probe was loaded; the maximum is the generation's. */
struct stage {
	__u64 counts[BUCKETS];
	__u64 sum_ns;
	__u64 max_ns;
	__u64 generation;
	__u64 started;
	__u64 lost;
	__u64 measured;
	__u64 random;
};

struct start {
	__u64 time_ns;
	__u64 generation;
};

/* A packet on its way, kept in an array at a slot of its address: a hash map's locks would cost more than
 * all the rest. Packets on their way at once are bounded by the backlog (1,000 per CPU); two that share a
 * slot cost one pair, which the match rate shows. What never ends stays until its slot is used again.
 */
struct packet {
	__u64 skb;
	struct start start;
};
#define PACKET_SLOTS 8192
/* Socket buffers are 256 bytes apart. */
#define PACKET_SLOT(skb) (((skb) >> 8) & (PACKET_SLOTS - 1))

struct sample {
	__u64 time_ns;
	__u64 value_ns;
	__u64 role;
};

/* Samples are read once a second: nobody needs to be woken for them. */
#define SAMPLE_FLAGS BPF_RB_NO_WAKEUP
/* 64 KiB hold 2,000 samples; at one in SAMPLE_EVERY that is many seconds' worth. */
#define SAMPLE_PAGES 16

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* One packet in TRACK_EVERY is tracked, at random: a packet crosses a lab's devices in a fixed order, so
 * every n-th would be at the same device each time. A linear congruential generator (Knuth's) is enough.
 */
ALWAYS_INLINE int is_tracked(struct stage *stage)
{
	if (TRACK_EVERY == 1)
		return 1;
	stage->random = stage->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return ((stage->random >> 40) & (TRACK_EVERY - 1)) == 0;
}

/* Which of the watched devices this is: 0 or 1, or -1 for none of them. */
ALWAYS_INLINE int watched_device(const struct watch *watch, const void *net_device)
{
	__u64 name[2];
	int i;

	if (bpf_probe_read_kernel(name, sizeof(name), net_device + NET_DEVICE_NAME))
		return -1;
#pragma unroll
	for (i = 0; i < 2; i++) {
		const struct device *device = &watch->device[i];

		/* A device that is not used has an empty mask, and an empty mask must match nothing. */
		if (device->mask[0] && (name[0] & device->mask[0]) == device->name[0] &&
		    (name[1] & device->mask[1]) == device->name[1])
			return i;
	}
	return -1;
}

/* Records the time from start to now. Returns 1 when it is to be sampled, too. */
ALWAYS_INLINE int record(struct stage *stage, const struct watch *watch, const struct start *start, __u64 now)
{
	__u64 value_ns = now - start->time_ns;
	__u64 bucket;

	/* Started under another lab: its end would be counted for the wrong one. */
	if (start->generation != watch->generation)
		return 0;
	if (value_ns > MAX_AGE_NS) {
		stage->lost++;
		return 0;
	}

	/* Never out of bounds, but the verifier must see it, and in the register that is used: without the
	 * barrier the compiler checks a 32-bit copy.
	 */
	bucket = bucket_index(value_ns);
	asm volatile("" : "+r"(bucket));
	if (bucket >= BUCKETS)
		return 0;
	stage->counts[bucket]++;
	stage->sum_ns += value_ns;
	if (stage->generation != watch->generation) {
		stage->generation = watch->generation;
		stage->max_ns = 0;
	}
	if (value_ns > stage->max_ns)
		stage->max_ns = value_ns;
	return (stage->measured++ & (SAMPLE_EVERY - 1)) == 0;
}

#endif
