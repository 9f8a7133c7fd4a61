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

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* BCC's macro would attach the program at once. Here it is only loaded, and it ends with a jump to the next
 * probe's program on the same tracepoint (bpf/chain.py): to attach a second program to a tracepoint and to
 * take it off again costs the kernel milliseconds, and each one that runs some 25 ns; a jump costs neither.
 * NEXT is the file descriptor of the array of programs to go on to, SLOT_<event> the place in it.
 */
#undef RAW_TRACEPOINT_PROBE
#define RAW_TRACEPOINT_PROBE(event)                                                                                    \
	int on_##event(struct bpf_raw_tracepoint_args *ctx);                                                           \
	ALWAYS_INLINE int seen_##event(struct bpf_raw_tracepoint_args *ctx);                                           \
	int on_##event(struct bpf_raw_tracepoint_args *ctx)                                                            \
	{                                                                                                              \
		seen_##event(ctx);                                                                                     \
		bpf_tail_call_(bpf_pseudo_fd(1, NEXT), ctx, SLOT_##event);                                             \
		return 0;                                                                                              \
	}                                                                                                              \
	ALWAYS_INLINE int seen_##event(struct bpf_raw_tracepoint_args *ctx)

/* A device by name: interface indexes repeat across namespaces, the names of a lab's devices do not.
 * The mask ends with the name's NUL, for the bytes behind it may be left over from a longer name.
 */
struct device {
	__u64 name[2];
	__u64 mask[2];
	__u64 ifindex;
};
#define WATCHED_DEVICES 4

/* The sides of a lab, in the order of watch.netns. */
#define CLIENT_SIDE 0
#define DUT_SIDE 1
#define SERVER_SIDE 2
#define SIDES 3

/* What is being watched. The generation grows with every window, and 0 means nothing: a start and its end
 * belong together only within one generation. Programs look at nothing while it is 0. Starts are accepted
 * and work is counted while the window is open; what had begun by then may end a while longer.
 * The lab's number grows whenever the probe is turned to a lab.
 *
 * What was found out about an address is kept, in a slot of it: the address, and in its lowest bits, which are
 * 0 in an address, the index + 1, or 0 for none of the lab's. It holds for one window, as addresses are used again.
 */
#define KNOWN 16
#define KNOWN_SLOT(address) (((address) >> 6 ^ (address) >> 12) & (KNOWN - 1))
#define KNOWN_INDEX 7ULL
struct watch {
	__u64 generation;
	__u64 open;
	__u64 lab;
	__u64 group;
	__u64 netns[SIDES];
	struct device device[WATCHED_DEVICES];
	__u64 known_device[KNOWN];
	__u64 known_net[KNOWN];
};

/* One CPU's measurements of one role since the probe was loaded; the maximum is the lab's. */
struct stage {
	__u64 counts[BUCKETS];
	__u64 sum_ns;
	__u64 max_ns;
	__u64 lab;
	__u64 started;
	__u64 lost;
	__u64 measured;
	__u64 random;
	__u64 unsampled; /* samples for which the ring buffer had no room */
};

struct start {
	__u64 time_ns;
	__u64 generation;
};

struct sample {
	__u64 time_ns;
	__u64 value_ns;
	__u64 role;
};

/* Samples are read once a second: nobody needs to be woken for them. */
#define SAMPLE_FLAGS BPF_RB_NO_WAKEUP
/* 64 KiB hold 2,000 samples; at one in SAMPLE_EVERY that is many seconds' worth. */
#define SAMPLE_PAGES 16

/* One event in TRACK_EVERY is tracked, at random: a packet crosses a lab's devices in a fixed order, so
 * every n-th would be at the same device each time. A linear congruential generator (Knuth's) is enough.
 */
ALWAYS_INLINE int is_tracked(struct stage *stage)
{
	if (TRACK_EVERY == 1)
		return 1;
	stage->random = stage->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return ((stage->random >> 40) & (TRACK_EVERY - 1)) == 0;
}

/* Which of the watched devices this is, in the order in which the probe names them, or -1 for none of them. */
ALWAYS_INLINE int watched_device(const struct watch *watch, const void *net_device)
{
	__u64 *known = (__u64 *)&watch->known_device[KNOWN_SLOT((__u64)net_device)], found = *known, name[2];
	int i, index = -1;

	if ((found & ~KNOWN_INDEX) == (__u64)net_device)
		return (int)(found & KNOWN_INDEX) - 1;
	if (bpf_probe_read_kernel(name, sizeof(name), net_device + NET_DEVICE_NAME))
		return -1;
#pragma unroll
	for (i = 0; i < WATCHED_DEVICES; i++) {
		const struct device *device = &watch->device[i];

		/* A device that is not used has an empty mask, and an empty mask must match nothing. */
		if (index < 0 && device->mask[0] && (name[0] & device->mask[0]) == device->name[0] &&
		    (name[1] & device->mask[1]) == device->name[1])
			index = i;
	}
	*known = (__u64)net_device | (index + 1);
	return index;
}

/* Which side of the watched lab a network namespace is, or -1 for none of them. */
ALWAYS_INLINE int side_of_net(const struct watch *watch, const void *net)
{
	__u64 *known = (__u64 *)&watch->known_net[KNOWN_SLOT((__u64)net)], found = *known;
	__u32 inode = 0;
	int i, side = -1;

	if ((found & ~KNOWN_INDEX) == (__u64)net)
		return (int)(found & KNOWN_INDEX) - 1;
	if (bpf_probe_read_kernel(&inode, sizeof(inode), net + NET_INODE))
		return -1;
#pragma unroll
	for (i = 0; i < SIDES; i++)
		if (side < 0 && inode == watch->netns[i])
			side = i;
	*known = (__u64)net | (side + 1);
	return side;
}

/* Which side of the watched lab a socket is on, or -1 for none of them. */
ALWAYS_INLINE int side_of(const struct watch *watch, const void *sock)
{
	const void *net = NULL;

	if (bpf_probe_read_kernel(&net, sizeof(net), sock + SOCK_NET) || !net)
		return -1;
	return side_of_net(watch, net);
}

/* Notes that something began. Call it once it is known to be the lab's; false when the window is over. */
ALWAYS_INLINE int begin(struct stage *stage, const struct watch *watch, struct start *start)
{
	if (!watch->open)
		return 0;
	stage->started++;
	start->generation = watch->generation;
	start->time_ns = bpf_ktime_get_ns();
	return 1;
}

/* Records the time from start to now. Returns 1 when it is to be sampled, too. */
ALWAYS_INLINE int record(struct stage *stage, const struct watch *watch, const struct start *start, __u64 now)
{
	__u64 value_ns = now - start->time_ns;
	__u64 bucket;

	/* Begun in another window, perhaps under another lab: it was counted as never ended there. */
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
	if (stage->lab != watch->lab) {
		stage->lab = watch->lab;
		stage->max_ns = 0;
	}
	if (value_ns > stage->max_ns)
		stage->max_ns = value_ns;
	return (stage->measured++ & (SAMPLE_EVERY - 1)) == 0;
}

#endif
